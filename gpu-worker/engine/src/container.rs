// SPDX-License-Identifier: Apache-2.0
//! safetensors files, mapped into memory.
//!
//! The header is parsed by the `safetensors` crate; every range it names is checked against the file before it is used, so a header
//! that lies about sizes gives an error and no allocation.
use crate::{mapped::map, model::Bytes};
use memmap2::Mmap;
use safetensors::{tensor::Metadata, Dtype, SafeTensors};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
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

/// One tensor of a container.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Type of the elements.
    pub dtype: Dtype,
    /// Shape, outermost first.
    pub shape: Vec<usize>,
    /// Elements, little endian, row-major.
    pub bytes: Bytes,
    /// Where the elements are in the file.
    pub range: Range<usize>,
}

/// A mapped safetensors file.
pub struct Container {
    map: Arc<Mmap>,
    data: usize,
    metadata: Metadata,
}

impl Container {
    /// Maps a file and parses its header.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        let map = map(path).map_err(|source| ContainerError::Io {
            path: path.into(),
            source,
        })?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| ContainerError::Header {
            path: path.into(),
            problem: error.to_string(),
        })?;
        let container = Self {
            data: header + size_of::<u64>(),
            map,
            metadata,
        };
        match container
            .names()
            .into_iter()
            .find(|name| container.tensor(name).is_none())
        {
            Some(name) => Err(ContainerError::Header {
                path: path.into(),
                problem: format!("tensor {name} lies outside of the file"),
            }),
            None => Ok(container),
        }
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort_unstable();
        names
    }

    /// A tensor; `None` if there is none of this name.
    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        let info = self.metadata.info(name)?;
        let (start, end) = info.data_offsets;
        let range = self.data.checked_add(start)?..self.data.checked_add(end)?;
        let bytes = Bytes::view(self.map.clone(), range.clone())?;
        Some(Tensor {
            dtype: info.dtype,
            shape: info.shape.clone(),
            bytes,
            range,
        })
    }

    /// Entry of the metadata map.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }
}
