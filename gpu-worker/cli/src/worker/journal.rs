// SPDX-License-Identifier: Apache-2.0
//! What a worker must not lose: one file for each answer it has computed.
//!
//! An [`Entry`] holds the answer, its leaves (evidence, should it come to a dispute) and the seal. It is on disk, synced, *before* anything
//! about it is sent, so after a crash at any moment the worker sends the same answer again or reveals the one it gave, and never computes
//! a second one. Executing a job and auditing it give the same entry, since an answer follows from its name
//! ([`answer_id`](ergon_primitives::commitment::answer_id)) bit for bit.
//!
//! Each entry is written to a temporary file that is synced and then renamed, so a file is either whole or absent. A file that is not
//! whole all the same (a failing disk, an editor) is set aside as `*.corrupt` with an error in the log: the rest of the journal counts.
//! One process owns the folder of its journals ([`DataDir`]); a second one is refused.
use codec::{Decode, DecodeAll, Encode};
use ergon_primitives::{
    commitment::{sealed, Header, Leaf},
    JobId, H256,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Version of the file format.
const VERSION: u32 = 1;

/// An answer that this worker has computed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Number of the job.
    pub job: JobId,
    /// Random bytes that hide the root until the answer is revealed.
    pub seal: H256,
    /// Everything that the commitment binds.
    pub header: Header,
    /// The output's bytes.
    pub output: Vec<u8>,
    /// One leaf for each output token.
    pub leaves: Vec<Leaf>,
}

impl Entry {
    /// What the result publishes instead of the root.
    pub fn sealed(&self) -> H256 {
        sealed(&self.seal, &self.header.root())
    }
}

/// What keeps a journal from being used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or a file in it can't be read or written.
    #[error("journal {path}: {reason}")]
    File {
        /// Where.
        path: PathBuf,
        /// As the system says it.
        reason: io::Error,
    },
    /// Another worker uses it.
    #[error(
        "data-dir {0} is in use by another worker: stop that one, or give this one a data-dir and a hot key of its own"
    )]
    InUse(PathBuf),
}

/// The folder that holds a worker's journals, of this process alone until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    folder: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes possession of `folder`, which is created if need be.
    pub fn lock(folder: &Path) -> Result<Self, JournalError> {
        let failed = |reason| JournalError::File {
            path: folder.to_owned(),
            reason,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse(folder.to_owned())),
            Err(TryLockError::Error(reason)) => Err(failed(reason)),
        }
    }

    /// Folder of the journal for the chain with this genesis block.
    pub fn journal(&self, genesis: &H256) -> PathBuf {
        self.folder.join(hex::encode(&genesis.as_bytes()[..8]))
    }
}

/// The entries of one worker on one chain.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    entries: BTreeMap<JobId, Entry>,
}

/// An entry as it stands in its file: byte strings in hexadecimal, `header` and `leaves` in SCALE.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    job: JobId,
    seal: String,
    header: String,
    output: String,
    leaves: String,
}

impl Journal {
    /// Opens the journal in `folder`, which is created if need be.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let failed = |reason| JournalError::File {
            path: folder.to_owned(),
            reason,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut journal = Self {
            folder: folder.to_owned(),
            entries: BTreeMap::new(),
        };
        for file in fs::read_dir(folder).map_err(failed)? {
            journal.load(&file.map_err(failed)?.path())?;
        }
        Ok(journal)
    }

    fn load(&mut self, path: &Path) -> Result<(), JournalError> {
        let failed = |reason| JournalError::File {
            path: path.to_owned(),
            reason,
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("tmp") => fs::remove_file(path).map_err(failed),
            Some("json") => {
                match read(&fs::read(path).map_err(failed)?) {
                    Ok(entry) if self.path(entry.job) == path => {
                        self.entries.insert(entry.job, entry);
                        return Ok(());
                    }
                    Ok(entry) => {
                        tracing::error!(path = %path.display(), "journal entry is of job {}: set aside", entry.job)
                    }
                    Err(reason) => {
                        tracing::error!(path = %path.display(), "journal entry is corrupt ({reason}): set aside")
                    }
                }
                fs::rename(path, path.with_extension("corrupt")).map_err(failed)
            }
            _ => Ok(()),
        }
    }

    /// The entry of a job.
    pub fn get(&self, job: JobId) -> Option<&Entry> {
        self.entries.get(&job)
    }

    /// All jobs with an entry.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.entries.keys().copied()
    }

    /// Writes an entry; when this returns, it survives a crash. It replaces an entry of the same job.
    pub fn record(&mut self, entry: Entry) -> Result<(), JournalError> {
        let path = self.path(entry.job);
        let temporary = path.with_extension("tmp");
        let write = || -> io::Result<()> {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(&write(&entry)?)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_folder(&self.folder)
        };
        write().map_err(|reason| JournalError::File { path, reason })?;
        self.entries.insert(entry.job, entry);
        Ok(())
    }

    /// Removes the entry of a job that is over.
    pub fn forget(&mut self, job: JobId) -> Result<(), JournalError> {
        if self.entries.remove(&job).is_some() {
            let path = self.path(job);
            fs::remove_file(&path).map_err(|reason| JournalError::File { path, reason })?;
        }
        Ok(())
    }

    fn path(&self, job: JobId) -> PathBuf {
        self.folder.join(format!("job-{job}.json"))
    }
}

/// Makes a rename in `folder` durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn write(entry: &Entry) -> io::Result<Vec<u8>> {
    let record = Record {
        version: VERSION,
        job: entry.job,
        seal: hex::encode(entry.seal),
        header: hex::encode(entry.header.encode()),
        output: hex::encode(&entry.output),
        leaves: hex::encode(entry.leaves.encode()),
    };
    serde_json::to_vec(&record).map_err(io::Error::from)
}

/// Reads an entry and checks that its header fits its output and leaves.
fn read(bytes: &[u8]) -> Result<Entry, String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if record.version != VERSION {
        return Err(format!("version {} is not known", record.version));
    }
    let entry = Entry {
        job: record.job,
        seal: decode("seal", &record.seal)?,
        header: decode("header", &record.header)?,
        output: hex::decode(&record.output).map_err(|error| format!("output: {error}"))?,
        leaves: decode("leaves", &record.leaves)?,
    };
    let Header {
        answer_id,
        prompt_tokens,
        outcome,
        ..
    } = entry.header;
    if Header::new(answer_id, prompt_tokens, outcome, &entry.output, &entry.leaves) != entry.header {
        return Err("header doesn't fit output and leaves".into());
    }
    Ok(entry)
}

fn decode<T: Decode>(field: &str, text: &str) -> Result<T, String> {
    let bytes = hex::decode(text).map_err(|error| format!("{field}: {error}"))?;
    T::decode_all(&mut &bytes[..]).map_err(|error| format!("{field}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_primitives::commitment::{Outcome, StopReason};

    fn entry(job: JobId) -> Entry {
        let leaves = vec![Leaf {
            position: 0,
            token: 5,
            hidden: H256::repeat_byte(3),
        }];
        let header = Header::new(
            H256::repeat_byte(9),
            3,
            Outcome::Completed(StopReason::Length),
            b"out",
            &leaves,
        );
        Entry {
            job,
            seal: H256::repeat_byte(7),
            header,
            output: b"out".to_vec(),
            leaves,
        }
    }

    fn corrupt_files(folder: &Path) -> usize {
        fs::read_dir(folder)
            .unwrap()
            .filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "corrupt"))
            .count()
    }

    #[test]
    fn what_is_recorded_is_there_after_a_restart_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.record(entry(1)).unwrap();
        journal.record(entry(2)).unwrap();
        journal.forget(1).unwrap();
        journal.forget(77).unwrap();
        drop(journal);
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.jobs().collect::<Vec<_>>(), [2]);
        assert_eq!(journal.get(2), Some(&entry(2)));
    }

    #[test]
    fn a_crash_at_any_byte_of_a_write_leaves_the_journal_as_it_was() {
        let whole = write(&entry(2)).unwrap();
        for cut in [0, 1, whole.len() / 2, whole.len() - 1, whole.len()] {
            let folder = tempfile::tempdir().unwrap();
            Journal::open(folder.path()).unwrap().record(entry(1)).unwrap();
            // The temporary file was not renamed yet.
            fs::write(folder.path().join("job-2.tmp"), &whole[..cut]).unwrap();
            let journal = Journal::open(folder.path()).unwrap();
            assert_eq!(journal.jobs().collect::<Vec<_>>(), [1]);
            assert!(!folder.path().join("job-2.tmp").exists());
        }
    }

    #[test]
    fn a_torn_or_altered_entry_is_set_aside_and_the_others_count() {
        let whole = write(&entry(2)).unwrap();
        let altered = String::from_utf8(whole.clone())
            .unwrap()
            .replace(&hex::encode(b"out"), &hex::encode(b"oud"))
            .into_bytes();
        let future = String::from_utf8(whole.clone())
            .unwrap()
            .replace("\"version\":1", "\"version\":2")
            .into_bytes();
        let other_job = write(&entry(3)).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(|cut| whole[..cut].to_vec()).collect();
        bad.extend([altered, future, other_job, b"\0\0\0\0".to_vec()]);
        for bytes in bad {
            let folder = tempfile::tempdir().unwrap();
            Journal::open(folder.path()).unwrap().record(entry(1)).unwrap();
            fs::write(folder.path().join("job-2.json"), &bytes).unwrap();
            for _restart in 0..2 {
                let mut journal = Journal::open(folder.path()).unwrap();
                assert_eq!(journal.jobs().collect::<Vec<_>>(), [1]);
                assert_eq!(corrupt_files(folder.path()), 1);
                journal.record(entry(2)).unwrap();
                journal.forget(2).unwrap();
            }
        }
    }

    #[test]
    fn a_second_worker_is_refused_by_the_name_of_the_folder_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::lock(folder.path()).unwrap();
        let error = DataDir::lock(folder.path()).unwrap_err();
        assert!(matches!(error, JournalError::InUse(_)));
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
        drop(first);
        assert!(DataDir::lock(folder.path()).is_ok());
    }

    #[test]
    fn an_unwritable_folder_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Journal::open(&file).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
