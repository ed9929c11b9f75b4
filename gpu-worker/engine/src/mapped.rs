// SPDX-License-Identifier: Apache-2.0
//! Files as memory.
use memmap2::Mmap;
use std::{fs::File, io, path::Path, sync::Arc};

/// Maps a file read-only, so that its size costs no memory of its own.
///
/// A file that another process shortens while it is mapped ends this process; artifacts are therefore replaced by renaming, never
/// rewritten in place.
pub(crate) fn map(path: &Path) -> io::Result<Arc<Mmap>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    // SAFETY: the mapping is read-only and private to us; nobody in this process writes to the file, and what another process may
    // write is only read as plain integers, of which every bit pattern is valid.
    #[allow(unsafe_code)]
    let map = unsafe { Mmap::map(&file)? };
    Ok(Arc::new(map))
}
