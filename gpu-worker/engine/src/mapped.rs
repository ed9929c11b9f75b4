// SPDX-License-Identifier: Apache-2.0
//! Files as memory.
use crate::model::{Bytes, Memory};
use memmap2::{Mmap, MmapOptions};
use std::{fs::File, io, ops::Range, path::Path, sync::Arc};

/// A file of which parts are mapped read-only, so that its size costs no memory of its own. What was read of a part counts towards this
/// process's memory only until that part's [`Bytes`] are dropped or released.
///
/// A file that another process shortens while it is mapped ends this process; artifacts are therefore replaced by renaming, never
/// rewritten in place.
#[derive(Debug)]
pub(crate) struct MappedFile {
    file: File,
    size: u64,
}

impl MappedFile {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        Ok(Self {
            file,
            size: metadata.len(),
        })
    }

    /// Bytes in the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole file.
    pub fn whole(&self) -> io::Result<Bytes> {
        self.bytes(0..self.size)
    }

    /// The bytes in `range`, which is in the file.
    pub fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        let outside = || io::Error::new(io::ErrorKind::UnexpectedEof, "a range outside of the file");
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.size);
        let length = usize::try_from(length.ok_or_else(outside)?).map_err(|_| outside())?;
        if length == 0 {
            return Ok(Vec::<u8>::new().into());
        }
        // SAFETY: the mapping is read-only and private to us; nobody in this process writes to the file, and what another process may
        // write is only read as plain integers, of which every bit pattern is valid.
        #[allow(unsafe_code)]
        let map: Mmap = unsafe { MmapOptions::new().offset(range.start).len(length).map(&self.file)? };
        Bytes::view(Arc::new(Mapping(map)), 0..length).ok_or_else(outside)
    }
}

/// A mapped part of a file.
struct Mapping(Mmap);

impl Memory for Mapping {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[cfg(unix)]
    fn release(&self) {
        // SAFETY: of a file that is mapped read-only nothing is lost but the pages in memory; who reads on reads the same bytes from the file.
        #[allow(unsafe_code)]
        let advised = unsafe { self.0.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        if let Err(error) = advised {
            tracing::debug!(target: "ergon_engine", %error, "a mapped tensor stays in memory");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Seek, SeekFrom, Write},
        os::unix::fs::MetadataExt,
    };

    /// A file that says that it is 6 GiB large, of which only the bytes at 5 GiB are stored.
    fn huge() -> (tempfile::NamedTempFile, u64) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let at = 5 << 30;
        file.as_file().set_len(6 << 30).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"beyond 4 GiB").unwrap();
        (file, at)
    }

    /// Kilobytes of the mapping that begins at `bytes` which are in this process's memory.
    #[cfg(target_os = "linux")]
    fn resident(bytes: &[u8]) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (_, mapping) = maps.split_once(&format!("{:x}-", bytes.as_ptr() as usize)).unwrap();
        let line = mapping.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn released_bytes_leave_the_memory_and_are_the_same_when_they_are_read_again() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let bytes = MappedFile::open(file.path()).unwrap().whole().unwrap();
        assert_eq!(bytes.as_bytes(), content);
        assert!(resident(bytes.as_bytes()) >= 1024);
        bytes.release();
        assert_eq!(resident(bytes.as_bytes()), 0);
        assert_eq!(bytes.as_bytes(), content);
    }

    #[test]
    fn any_part_of_a_file_is_mapped_and_none_beyond_its_end() {
        let (file, at) = huge();
        let mapped = MappedFile::open(file.path()).unwrap();
        assert_eq!(mapped.size(), 6 << 30);
        assert_eq!(mapped.bytes(at..at + 12).unwrap().as_bytes(), b"beyond 4 GiB");
        assert_eq!(mapped.bytes(at + 7..at + 8).unwrap().as_bytes(), b"4");
        assert_eq!(&mapped.whole().unwrap().as_bytes()[at as usize..][..6], b"beyond");
        assert!(mapped.bytes(at..at).unwrap().as_bytes().is_empty());
        let backwards = Range { start: 2, end: 1 };
        for outside in [0..(6 << 30) + 1, u64::MAX - 1..u64::MAX, backwards] {
            assert!(mapped.bytes(outside).is_err());
        }
        assert!(file.as_file().metadata().unwrap().blocks() < 1 << 11);
        assert!(MappedFile::open(Path::new("/")).is_err());
    }
}
