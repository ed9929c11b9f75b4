// SPDX-License-Identifier: Apache-2.0
//! Files as memory.
use crate::model::Bytes;
use memmap2::{Mmap, MmapOptions};
use std::{fs::File, io, ops::Range, path::Path, sync::Arc};

/// A file of which parts are mapped read-only, so that its size costs no memory of its own. What was read of a part counts towards this
/// process's memory only until that part's [`Bytes`] are dropped.
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
        Bytes::view(Arc::new(map), 0..length).ok_or_else(outside)
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
