// SPDX-License-Identifier: Apache-2.0
//! safetensors files, mapped into memory tensor by tensor.
//!
//! The header is parsed by the `safetensors` crate, which refuses one of more than 100 000 000 bytes; every range it names is checked
//! against the file before it is used, so a header that lies about sizes gives an error and no allocation.
use crate::{mapped::MappedFile, model::Bytes};
use safetensors::{
    tensor::{Metadata, TensorInfo},
    Dtype, SafeTensors,
};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Why a file is no readable safetensors container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The file can't be read.
    #[error("{path} can't be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The header is damaged or lies about the file.
    #[error("{path} is no valid safetensors file ({problem}); fetch or import it again")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// What the header says of one tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Type of the elements.
    pub dtype: Dtype,
    /// Shape, outermost first.
    pub shape: Vec<usize>,
    /// Where the elements are in the file: little endian, row-major.
    pub range: Range<u64>,
}

/// A safetensors file.
pub struct Container {
    path: PathBuf,
    file: MappedFile,
    data: u64,
    metadata: Metadata,
}

impl Container {
    /// Opens a file and parses its header.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        let failed = |source| ContainerError::Io {
            path: path.into(),
            source,
        };
        let refuse = |problem| ContainerError::Header {
            path: path.into(),
            problem,
        };
        let file = MappedFile::open(path).map_err(failed)?;
        let whole = file.whole().map_err(failed)?;
        let (header, metadata) =
            SafeTensors::read_metadata(whole.as_bytes()).map_err(|error| refuse(error.to_string()))?;
        let container = Self {
            path: path.into(),
            data: (header + size_of::<u64>()) as u64,
            metadata,
            file,
        };
        let outside = |name: &String| {
            let range = container.tensor(name).map(|tensor| tensor.range);
            range.is_none_or(|range| range.start > range.end || range.end > container.file.size())
        };
        match container.names().into_iter().find(outside) {
            Some(name) => Err(refuse(format!("tensor {name} lies outside of the file"))),
            None => Ok(container),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort_unstable();
        names
    }

    /// A tensor; `None` if there is none of this name.
    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        let TensorInfo {
            dtype,
            shape,
            data_offsets: (start, end),
        } = self.metadata.info(name)?;
        let at = |offset: usize| self.data.checked_add(offset as u64);
        Some(Tensor {
            dtype: *dtype,
            shape: shape.clone(),
            range: at(*start)?..at(*end)?,
        })
    }

    /// The elements of one of this container's tensors.
    pub fn bytes(&self, tensor: &Tensor) -> Result<Bytes, ContainerError> {
        self.file
            .bytes(tensor.range.clone())
            .map_err(|source| ContainerError::Io {
                path: self.path.clone(),
                source,
            })
    }

    /// Entry of the metadata map.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    #[test]
    fn a_tensor_beyond_4_gib_is_read_without_reading_what_is_before_it() {
        const FILLER: u64 = (4 << 30) + 8;
        let header = format!(
            r#"{{"a": {{"dtype": "I8", "shape": [{FILLER}], "data_offsets": [0, {FILLER}]}},
                "b": {{"dtype": "I32", "shape": [2], "data_offsets": [{FILLER}, {}]}}}}"#,
            FILLER + 8
        );
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        let data = 8 + header.len() as u64;
        file.seek(SeekFrom::Start(data + FILLER)).unwrap();
        file.write_all(&[1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]).unwrap();

        let container = Container::open(file.path()).unwrap();
        let tensor = container.tensor("b").unwrap();
        assert_eq!(tensor.range, data + FILLER..data + FILLER + 8);
        let bytes = container.bytes(&tensor).unwrap();
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, i32>(bytes.as_bytes()), [1, -2]);
        let first = container.bytes(&container.tensor("a").unwrap()).unwrap();
        assert_eq!(first.as_i8().len() as u64, FILLER);
        assert_eq!(first.as_i8()[FILLER as usize - 1], 0);
    }
}
