// SPDX-License-Identifier: Apache-2.0
//! Secret keys on disk.
//!
//! A key file is text: one secret URI (a BIP-39 phrase or a 32-byte seed in hex, each with an optional derivation path) for an sr25519
//! key, as Substrate's own tools write it. Empty lines and lines that begin with `#` don't count. On Unix its mode must be 0600 (or
//! 0400), since a reader can act in its owner's name; any other mode is refused with the command that corrects it.
use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};
use subxt_signer::{bip39::Mnemonic, sr25519::Keypair, SecretUri};

/// Names of the accounts that everybody knows, since their keys derive from the published development phrase.
pub const DEV_ACCOUNTS: [&str; 8] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie", "One", "Two"];

/// What keeps a key from being read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or written.
    #[error("key file {path}: {reason}")]
    File {
        /// Of the key file.
        path: PathBuf,
        /// As the system says it.
        reason: io::Error,
    },
    /// There is a key already; it is never overwritten.
    #[error("key file {0} exists already: choose another name, or move it away if its key is no longer needed")]
    Exists(PathBuf),
    /// Others may read the file.
    #[error("key file {path} has mode {mode:04o}, so others can read it: run `chmod 600 {path}`", path = .path.display())]
    Mode {
        /// Of the key file.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
    },
    /// The file holds no key, or more than one.
    #[error("key file {0} must hold exactly one line with a secret: a phrase or a hex seed, with an optional derivation path")]
    Lines(PathBuf),
    /// The secret can't be parsed. The message never repeats it.
    #[error("{origin}: not a valid secret URI ({reason}); expected a BIP-39 phrase or 0x and 64 hex digits, then an optional //path")]
    Invalid {
        /// File or option that the secret came from.
        origin: String,
        /// What is wrong, without the secret.
        reason: &'static str,
    },
    /// A development account that is none.
    #[error("{0} is no development account: use one of {list}, with an optional path such as Alice//hot", list = DEV_ACCOUNTS.join(", "))]
    NotADevAccount(String),
    /// The system gives no randomness.
    #[error("no randomness from the system: {0}")]
    Randomness(String),
}

/// Reads the key in `path`.
pub fn read(path: &Path) -> Result<Keypair, KeyError> {
    let file = |reason| KeyError::File {
        path: path.to_owned(),
        reason,
    };
    check_mode(path, &fs::metadata(path).map_err(file)?)?;
    let text = fs::read_to_string(path).map_err(file)?;
    let mut secrets = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (secrets.next(), secrets.next()) {
        (Some(secret), None) => parse(secret, &format!("key file {}", path.display())),
        _ => Err(KeyError::Lines(path.to_owned())),
    }
}

/// Writes `secret` to a new file that only its owner may read, and returns the key.
pub fn write(path: &Path, secret: &str) -> Result<Keypair, KeyError> {
    let key = parse(secret, "secret")?;
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        io::Write::write_all(&mut file, format!("{secret}\n").as_bytes())?;
        file.sync_all()
    };
    match write() {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(KeyError::Exists(path.to_owned())),
        Err(reason) => Err(KeyError::File {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// A new phrase of 24 words from the system's randomness.
pub fn new_secret(entropy: [u8; 32]) -> Result<String, KeyError> {
    let phrase = Mnemonic::from_entropy(&entropy).map_err(|error| KeyError::Randomness(error.to_string()))?;
    Ok(phrase.to_string())
}

/// The secret URI of a development account: one of [`DEV_ACCOUNTS`], with an optional derivation path.
///
/// ```
/// use ergon_worker_chain::keystore::dev_secret;
/// assert_eq!(dev_secret("Alice//hot").unwrap(), "//Alice//hot");
/// assert!(dev_secret("Mallory").is_err());
/// ```
pub fn dev_secret(account: &str) -> Result<String, KeyError> {
    let name = account.split('/').next().unwrap_or_default();
    let plain = account.chars().all(|c| c.is_ascii_alphanumeric() || c == '/');
    if !plain || !DEV_ACCOUNTS.contains(&name) {
        return Err(KeyError::NotADevAccount(account.to_owned()));
    }
    Ok(format!("//{account}"))
}

/// Parses a secret URI; `origin` says in errors where it came from.
pub fn parse(secret: &str, origin: &str) -> Result<Keypair, KeyError> {
    let invalid = |reason| KeyError::Invalid {
        origin: origin.to_owned(),
        reason,
    };
    // An empty secret would be the published development phrase.
    if secret.trim().is_empty() {
        return Err(invalid("it is empty"));
    }
    let uri = SecretUri::from_str(secret.trim()).map_err(|_| invalid("it has no phrase, seed or path"))?;
    Keypair::from_uri(&uri).map_err(|_| invalid("the phrase or seed before the path is wrong"))
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), KeyError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
    match mode & !0o600 {
        0 => Ok(()),
        _ => Err(KeyError::Mode {
            path: path.to_owned(),
            mode,
        }),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn address(key: &Keypair) -> String {
        key.public_key().to_account_id().to_string()
    }

    #[test]
    fn a_written_key_reads_back_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.key");
        let written = write(&path, &new_secret([7; 32]).unwrap()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(address(&read(&path).unwrap()), address(&written));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.key");
        write(&path, "//Alice").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660, 0o700] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(
                error.contains(&format!("chmod 600 {}", path.display())),
                "{mode:o}: {error}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
    }

    #[test]
    fn an_existing_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.key");
        let first = write(&path, "//Alice").unwrap();
        assert!(matches!(write(&path, "//Bob"), Err(KeyError::Exists(_))));
        assert_eq!(address(&read(&path).unwrap()), address(&first));
    }

    #[test]
    fn comments_are_skipped_and_a_second_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.key");
        write(&path, "//Alice").unwrap();
        fs::write(&path, "# hot key\n\n  //Alice  \n").unwrap();
        assert_eq!(
            address(&read(&path).unwrap()),
            "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
        );
        for text in ["", "# nothing\n", "//Alice\n//Bob\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(read(&path), Err(KeyError::Lines(_))), "{text:?}");
        }
    }

    #[test]
    fn an_invalid_secret_is_not_repeated_in_the_error() {
        let error = parse("0xdeadbeef", "key file x").unwrap_err().to_string();
        assert!(
            error.starts_with("key file x:") && !error.contains("deadbeef"),
            "{error}"
        );
        for secret in ["five words are no phrase", "", " \n"] {
            assert!(parse(secret, "x").is_err(), "{secret:?}");
        }
    }

    #[test]
    fn only_well_known_names_are_development_accounts() {
        for account in ["Alice", "Bob//hot", "Ferdie/1"] {
            assert!(parse(&dev_secret(account).unwrap(), "x").is_ok(), "{account}");
        }
        for account in ["", "//Alice", "alice", "Mallory", "Alice///pass word", "0xff"] {
            assert!(
                matches!(dev_secret(account), Err(KeyError::NotADevAccount(_))),
                "{account}"
            );
        }
    }
}
