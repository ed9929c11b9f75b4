// SPDX-License-Identifier: Apache-2.0
//! What a worker is told: a TOML file, and flags that win over it.
//!
//! Every key of the file is also a flag of the same name (`--hot-key` for `hot-key`). Paths in the file are relative to the file's
//! folder. A key that isn't known is refused.
//!
//! ```toml
//! node = "ws://127.0.0.1:9944"
//! hot-key = "hot.key"            # ergon-worker key generate --out hot.key
//! operator-key = "operator.key"  # needed to register and to change the registration
//! model = ["smollm2.ergon"]      # ergon-worker model import
//! backend = "auto"               # or "cpu", "wgpu"
//! adapter = "NVIDIA"             # part of a name that `ergon-worker adapters` shows
//! kv-cache-mib = 512             # a model; at least its context
//! step-milliseconds = 500        # how long a prompt may delay the other answers, token by token
//! audit = true
//! data-dir = "data"
//! endpoint = "https://worker.example"
//! ticket-seconds = 14400         # how long a ticket may take, by which an unknown operator joins
//! trust-artifact = false
//! log-format = "text"            # or "json"
//! ```
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Node of a development network.
const DEFAULT_NODE: &str = "ws://127.0.0.1:9944";
/// Where the journal is, relative to the working folder.
const DEFAULT_DATA_DIR: &str = "ergon-worker";

/// KV cache of a model, MiB.
const DEFAULT_KV_CACHE_MIB: u64 = 512;

/// How long a step should take.
const DEFAULT_STEP_MILLISECONDS: u64 = 500;

/// How long a ticket may take. Tickets get harder while more operators join than should, however many cores they have: even when one takes a
/// core a whole period of an hour on average, a search is over in four of them 98 times of a hundred.
const DEFAULT_TICKET_SECONDS: u64 = 14_400;

/// What computes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BackendChoice {
    /// A GPU if there is one, the CPU otherwise.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through wgpu.
    Wgpu,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings as they stand in a file or on the command line; whatever is not given is left to the other or to the default.
#[derive(Args, Clone, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Node to connect to [default: ws://127.0.0.1:9944].
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    /// File with the hot key, which signs answers.
    #[arg(long, value_name = "FILE")]
    hot_key: Option<PathBuf>,
    /// File with the operator's key, which registers the hot key. An operator that the chain doesn't know joins by a ticket, which takes
    /// some seconds of one core and nobody's leave.
    #[arg(long, value_name = "FILE")]
    operator_key: Option<PathBuf>,
    /// Model artifact to serve; may be given several times.
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    /// What computes [default: auto].
    #[arg(long)]
    backend: Option<BackendChoice>,
    /// Part of the name of the wgpu adapter to use.
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// MiB of KV cache for each model, shared by the jobs that are computed at the same time; never less than the model's context takes
    /// [default: 512].
    #[arg(long, value_name = "MIB")]
    kv_cache_mib: Option<u64>,
    /// How long a step should take while prompts or audits are computed beside answers, which get a token in each step: a step has as many
    /// tokens as fit, by how fast the last ones were, but at least 32 and at most 256 [default: 500].
    #[arg(long, value_name = "MILLISECONDS")]
    step_milliseconds: Option<u64>,
    /// Whether to check others' answers when drawn [default: true]. The operator is drawn all the same and misses what nobody checks; turn
    /// it off only where another worker of the same operator audits.
    #[arg(long, value_name = "BOOL")]
    audit: Option<bool>,
    /// Folder for the journal, of this worker alone [default: ergon-worker].
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Where clients reach this worker; published on chain.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Longest time to spend on a ticket; 0 makes none [default: 600].
    #[arg(long, value_name = "SECONDS")]
    ticket_seconds: Option<u64>,
    /// Skip hashing the model artifact at the start.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    trust_artifact: Option<bool>,
    /// How log lines look [default: text].
    #[arg(long)]
    log_format: Option<LogFormat>,
}

/// Why there is no valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("config file {path}: {reason}")]
    File {
        /// Of the file.
        path: PathBuf,
        /// As the system says it.
        reason: io::Error,
    },
    /// The file is no TOML, or has an unknown key or a value of the wrong type.
    #[error("config file {path}: {reason}")]
    Syntax {
        /// Of the file.
        path: PathBuf,
        /// With the line.
        reason: Box<toml::de::Error>,
    },
    /// Something is missing that has no default.
    #[error("no {key} is given: set it in the config file or with --{key} ({hint})")]
    Missing {
        /// Name of the key and the flag.
        key: &'static str,
        /// Where to get a value.
        hint: &'static str,
    },
    /// The node's address can't be one.
    #[error("node {0:?} is no WebSocket address: it must begin with ws:// or wss://")]
    NodeUrl(String),
}

/// A worker's configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Node to connect to.
    pub node: String,
    /// File with the hot key.
    pub hot_key: PathBuf,
    /// File with the operator's key.
    pub operator_key: Option<PathBuf>,
    /// Artifacts of the models to serve, at least one.
    pub models: Vec<PathBuf>,
    /// What computes.
    pub backend: BackendChoice,
    /// Part of the name of the wgpu adapter.
    pub adapter: Option<String>,
    /// KV cache of each model, MiB.
    pub kv_cache_mib: u64,
    /// How long a step of a model should take, in milliseconds.
    pub step_milliseconds: u64,
    /// Whether to audit.
    pub audit: bool,
    /// Folder for the journal.
    pub data_dir: PathBuf,
    /// Where clients reach this worker; what stands on chain is left alone if it isn't given.
    pub endpoint: Option<String>,
    /// Longest time to spend on a ticket, in seconds.
    pub ticket_seconds: u64,
    /// Whether to skip hashing the artifacts.
    pub trust_artifact: bool,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Config {
    /// The configuration of `flags` over the file at `path`.
    pub fn load(path: Option<&Path>, flags: Settings) -> Result<Self, ConfigError> {
        let file = path.map(read).transpose()?.unwrap_or_default();
        merge(flags, file)
    }

    /// What works, but probably not as meant.
    pub fn warning(&self) -> Option<&'static str> {
        const NO_AUDITS: &str = "audit is off, but the operator is still drawn as an auditor: audits that none of its workers makes count as \
                                 missed deadlines, and too many in a row suspend it; turn audit on, unless another worker of the same \
                                 operator audits";
        (!self.audit).then_some(NO_AUDITS)
    }
}

fn read(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::File {
        path: path.to_owned(),
        reason,
    })?;
    let mut settings: Settings = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        reason: Box::new(error),
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let paths = [
        &mut settings.hot_key,
        &mut settings.operator_key,
        &mut settings.data_dir,
    ];
    for path in paths.into_iter().flatten().chain(&mut settings.model) {
        *path = folder.join(&*path);
    }
    Ok(settings)
}

fn merge(flags: Settings, file: Settings) -> Result<Config, ConfigError> {
    let missing = |key, hint| ConfigError::Missing { key, hint };
    let node = flags.node.or(file.node).unwrap_or_else(|| DEFAULT_NODE.into());
    if !["ws://", "wss://"].iter().any(|scheme| node.starts_with(scheme)) {
        return Err(ConfigError::NodeUrl(node));
    }
    let models = if flags.model.is_empty() {
        file.model
    } else {
        flags.model
    };
    if models.is_empty() {
        return Err(missing("model", "`ergon-worker model import` makes an artifact"));
    }
    Ok(Config {
        node,
        hot_key: flags.hot_key.or(file.hot_key).ok_or(missing(
            "hot-key",
            "`ergon-worker key generate --out hot.key` makes one",
        ))?,
        operator_key: flags.operator_key.or(file.operator_key),
        models,
        backend: flags.backend.or(file.backend).unwrap_or_default(),
        adapter: flags.adapter.or(file.adapter),
        kv_cache_mib: flags.kv_cache_mib.or(file.kv_cache_mib).unwrap_or(DEFAULT_KV_CACHE_MIB),
        step_milliseconds: flags
            .step_milliseconds
            .or(file.step_milliseconds)
            .unwrap_or(DEFAULT_STEP_MILLISECONDS),
        audit: flags.audit.or(file.audit).unwrap_or(true),
        data_dir: flags
            .data_dir
            .or(file.data_dir)
            .unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
        endpoint: flags.endpoint.or(file.endpoint),
        ticket_seconds: flags
            .ticket_seconds
            .or(file.ticket_seconds)
            .unwrap_or(DEFAULT_TICKET_SECONDS),
        trust_artifact: flags.trust_artifact.or(file.trust_artifact).unwrap_or(false),
        log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        settings: Settings,
    }

    fn flags(words: &[&str]) -> Settings {
        Command::parse_from([&["worker"], words].concat()).settings
    }

    fn load(text: &str, words: &[&str]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, text).unwrap();
        let mut config = Config::load(Some(&path), flags(words))?;
        let relative = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap_or(path).to_owned();
        config.hot_key = relative(&config.hot_key);
        config.data_dir = relative(&config.data_dir);
        config.operator_key = config.operator_key.as_ref().map(relative);
        config.models = config.models.iter().map(relative).collect();
        Ok(config)
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let config = load("hot-key = \"h\"\nmodel = [\"m\"]", &[]).unwrap();
        let expected = Config {
            node: "ws://127.0.0.1:9944".into(),
            hot_key: "h".into(),
            operator_key: None,
            models: vec!["m".into()],
            backend: BackendChoice::Auto,
            adapter: None,
            kv_cache_mib: 512,
            step_milliseconds: 500,
            audit: true,
            data_dir: "ergon-worker".into(),
            endpoint: None,
            ticket_seconds: 14_400,
            trust_artifact: false,
            log_format: LogFormat::Text,
        };
        assert_eq!(config, expected);
    }

    const FULL: &str = r#"
        node = "wss://file"
        hot-key = "h"
        operator-key = "/abs/o"
        model = ["m", "n"]
        backend = "wgpu"
        adapter = "A"
        kv-cache-mib = 7
        step-milliseconds = 8
        audit = false
        data-dir = "d"
        endpoint = "https://file"
        ticket-seconds = 5
        trust-artifact = true
        log-format = "json"
    "#;

    #[test]
    fn every_key_of_the_file_counts() {
        let expected = Config {
            node: "wss://file".into(),
            hot_key: "h".into(),
            operator_key: Some("/abs/o".into()),
            models: vec!["m".into(), "n".into()],
            backend: BackendChoice::Wgpu,
            adapter: Some("A".into()),
            kv_cache_mib: 7,
            step_milliseconds: 8,
            audit: false,
            data_dir: "d".into(),
            endpoint: Some("https://file".into()),
            ticket_seconds: 5,
            trust_artifact: true,
            log_format: LogFormat::Json,
        };
        assert_eq!(load(FULL, &[]).unwrap(), expected);
    }

    #[test]
    fn every_flag_wins_over_the_file() {
        let words = "--node ws://flag --hot-key h2 --operator-key o2 --model m2 --backend cpu --adapter B --kv-cache-mib 9 --step-milliseconds 10 --audit true \
                     --data-dir d2 --endpoint https://flag --ticket-seconds 0 --trust-artifact false --log-format text";
        let config = load(FULL, &words.split_whitespace().collect::<Vec<_>>()).unwrap();
        let expected = Config {
            node: "ws://flag".into(),
            hot_key: "h2".into(),
            operator_key: Some("o2".into()),
            models: vec!["m2".into()],
            backend: BackendChoice::Cpu,
            adapter: Some("B".into()),
            kv_cache_mib: 9,
            step_milliseconds: 10,
            audit: true,
            data_dir: "d2".into(),
            endpoint: Some("https://flag".into()),
            ticket_seconds: 0,
            trust_artifact: false,
            log_format: LogFormat::Text,
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn a_worker_that_does_not_audit_is_told_what_that_means() {
        let warning = |words: &[&str]| load("hot-key = \"h\"\nmodel = [\"m\"]", words).unwrap().warning();
        assert_eq!(warning(&[]), None);
        let text = warning(&["--audit", "false"]).unwrap();
        assert!(
            text.contains("count as missed deadlines") && text.contains("another worker"),
            "{text}"
        );
    }

    #[test]
    fn paths_of_flags_are_relative_to_the_working_folder_and_need_no_file() {
        let config = Config::load(None, flags(&["--hot-key", "h", "--model", "m", "--trust-artifact"])).unwrap();
        assert_eq!((config.hot_key, config.trust_artifact), ("h".into(), true));
    }

    #[test]
    fn errors_name_the_key_and_the_remedy() {
        let error = |text: &str| load(text, &[]).unwrap_err().to_string();
        assert!(error("model = [\"m\"]").contains("--hot-key"));
        assert!(error("hot-key = \"h\"").contains("ergon-worker model import"));
        assert!(error("hotkey = \"h\"").contains("unknown field `hotkey`"));
        assert!(error("audit = \"yes\"").contains("line 1"));
        assert!(error("node = \"http://x\"").contains("ws://"));
        let missing = Config::load(Some(Path::new("/nowhere/worker.toml")), Settings::default())
            .unwrap_err()
            .to_string();
        assert!(missing.contains("/nowhere/worker.toml"), "{missing}");
    }
}
