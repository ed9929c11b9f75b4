// SPDX-License-Identifier: Apache-2.0
//! Errors as text: what is wrong, with the path or port that is meant, and the way out.
use sc_cli::Error;
use sc_service::{config::KeystoreConfig, Configuration};
use std::path::Path;

/// What to print.
pub fn text(error: &Error) -> String {
    match error {
        Error::NetworkKeyNotFound(path) => no_network_key(path),
        Error::KeyAlreadyExistsInPath(path) => format!(
            "there is a network key at {} already, and it was left as it is. Others know the node by it; move the file away to make another key.",
            path.display()
        ),
        // These two put words before a message that stands by itself.
        Error::Input(message) | Error::Service(sc_service::Error::Other(message)) => message.clone(),
        other => with_causes(other),
    }
}

/// An error on opening keystore or database, with the path.
pub fn on_opening(config: &Configuration, error: sc_service::Error) -> sc_service::Error {
    let (what, path, way_out) = match &error {
        sc_service::Error::Keystore(_) => match &config.keystore {
            KeystoreConfig::Path { path, .. } => ("keystore", path.as_path(), ""),
            KeystoreConfig::InMemory => return error,
        },
        sc_service::Error::Client(_) => match config.database.path() {
            Some(path) => ("database", path, DATABASE),
            None => return error,
        },
        _ => return error,
    };
    let cause = with_causes(&error);
    sc_service::Error::Other(format!(
        "the {what} in {} can't be opened: {cause}.{way_out}",
        path.display()
    ))
}

const DATABASE: &str = " If another node uses it, stop that one or give this one another --base-path. If it belongs to another chain or is \
                        damaged, `ergon-node purge-chain` with the same --chain and --base-path removes it, and the node syncs again; keys stay.";

/// An error of a command that works on a file or folder, with its path unless the message has it.
pub fn at(path: &Path, error: Error) -> Error {
    let (path, cause) = (path.display().to_string(), text(&error));
    if cause.contains(&path) {
        return error;
    }
    Error::Input(format!("{path} can't be used: {cause}"))
}

fn no_network_key(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path);
    format!(
        "a validator needs a network key of its own, by which others find it, and there is none at {path}. Make one:\n\n  \
         mkdir -p {folder} && ergon-node key generate-node-key --file {path}\n\n\
         or name another file with --node-key-file.",
        path = path.display(),
        folder = folder.display(),
    )
}

/// The message and those of its causes that it doesn't contain.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text.trim_end_matches('.').to_string()
}
