// SPDX-License-Identifier: Apache-2.0
//! Writing an artifact, one tensor after another.
//!
//! Names, types and shapes of all tensors are known before the first one's content is, so each has its place in the file from the
//! beginning, in the order of the `safetensors` crate: wide types first, then by name. The header, which holds the roots of the content, is written
//! last; the roots in it have a fixed length, so its room is known as well.
//!
//! The file takes its name when it is whole and on disk. Until then it is a hidden `.part` file in the same folder, which goes away with
//! the [`Writer`].
use super::{roots, Description, WeightLeaves, DESCRIPTION};
use ergon_primitives::H256;
use safetensors::{
    tensor::{Metadata, TensorInfo},
    Dtype,
};
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Type and shape of every tensor, by name.
pub(crate) type Layout = BTreeMap<String, (Dtype, Vec<usize>)>;

/// An artifact that isn't finished.
pub(crate) struct Writer {
    path: PathBuf,
    file: NamedTempFile,
    /// All tensors, in the order of the file.
    tensors: Vec<(String, TensorInfo)>,
    /// Where each tensor is in `tensors` that wasn't written yet.
    waiting: BTreeMap<String, usize>,
    header: usize,
    description: Description,
    leaves: WeightLeaves,
}

impl Writer {
    /// Begins the artifact at `path`. The roots in `description` are those that [`Writer::finish`] will put there, of any value.
    pub fn create(path: &Path, layout: Layout, mut description: Description) -> io::Result<Self> {
        let weights = layout.keys().filter(|name| roots::is_weight(name));
        description.tensor_roots = weights.map(|name| (name.clone(), H256::zero())).collect();
        let tensors = places(layout)?;
        let header = header(&tensors, &description)?.len();
        let end = tensors.last().map_or(0, |(_, tensor)| tensor.data_offsets.1);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".part");
        // As any other file that a user makes, not for the user alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
        file.as_file().set_len((header + end) as u64)?;
        Ok(Self {
            path: path.into(),
            waiting: tensors
                .iter()
                .enumerate()
                .map(|(i, (name, _))| (name.clone(), i))
                .collect(),
            file,
            tensors,
            header,
            description,
            leaves: WeightLeaves::default(),
        })
    }

    /// Writes a tensor of the layout, once.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let place = self.waiting.remove(name).map(|place| &self.tensors[place].1);
        let TensorInfo {
            dtype,
            shape,
            data_offsets: (start, end),
        } = place.ok_or_else(|| invalid(format!("tensor {name} has no place in the artifact")))?;
        if bytes.len() != end - start {
            let (found, room) = (bytes.len(), end - start);
            return Err(invalid(format!("tensor {name} has {found} bytes, its place {room}")));
        }
        self.leaves.add(name, *dtype, shape, bytes);
        self.file.seek(SeekFrom::Start((self.header + start) as u64))?;
        self.file.write_all(bytes)
    }

    /// The weights root of what was written.
    pub fn weights_root(&self) -> H256 {
        self.leaves.root()
    }

    /// Finishes the artifact, whose manifest has this weights root; a file of that name is replaced.
    pub fn finish(mut self, weights_root: H256) -> io::Result<()> {
        if let Some(name) = self.waiting.keys().next() {
            return Err(invalid(format!("tensor {name} was never written")));
        }
        self.description.manifest.weights_root = weights_root;
        self.description.tensor_roots = self.leaves.tensor_roots();
        let header = header(&self.tensors, &self.description)?;
        if header.len() != self.header {
            return Err(invalid("the header outgrew its place".into()));
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Where every tensor goes, counted from the end of the header.
fn places(layout: Layout) -> io::Result<Vec<(String, TensorInfo)>> {
    let mut tensors: Vec<_> = layout.into_iter().collect();
    tensors.sort_by(|(left, (wide, _)), (right, (other, _))| other.cmp(wide).then(left.cmp(right)));
    let mut at = 0usize;
    let place = |(name, (dtype, shape)): (String, (Dtype, Vec<usize>))| {
        let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
        let size = count.and_then(|count| count.checked_mul(dtype.bitsize() / 8));
        let end = size.and_then(|size| at.checked_add(size));
        let end = end.ok_or_else(|| invalid(format!("tensor {name} of shape {shape:?} is too large for a file")))?;
        let data_offsets = (std::mem::replace(&mut at, end), end);
        let info = TensorInfo {
            dtype,
            shape,
            data_offsets,
        };
        Ok((name, info))
    };
    tensors.into_iter().map(place).collect()
}

/// The header with its length before it, padded to a multiple of 8 bytes.
fn header(tensors: &[(String, TensorInfo)], description: &Description) -> io::Result<Vec<u8>> {
    let text = serde_json::to_string(description)?;
    let metadata = HashMap::from([(DESCRIPTION.to_string(), text)]);
    let metadata = Metadata::new(Some(metadata), tensors.to_vec()).map_err(|error| invalid(error.to_string()))?;
    let mut json = serde_json::to_vec(&metadata)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok([&(json.len() as u64).to_le_bytes(), &json[..]].concat())
}
