// SPDX-License-Identifier: Apache-2.0
//! The safetensors files of a Hugging Face folder.
//!
//! As `transformers` has it: `model.safetensors`, or else the shards that `model.safetensors.index.json` names, whose `weight_map` says of each
//! tensor in which file it is.
use super::{huggingface::read_optional_json, ImportError, MAX_TENSORS};
use crate::container::{Container, ContainerError};
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that hold the weights. Every tensor that the index names is where it says, and none is in two files.
pub(super) fn open(folder: &Path) -> Result<Vec<Container>, ImportError> {
    let single = folder.join(SINGLE);
    if single.exists() {
        return Ok(vec![container(&single)?]);
    }
    let path = folder.join(INDEX);
    let Some(index) = read_optional_json::<Index>(&path)? else {
        return Err(refuse(folder, format!("holds neither {SINGLE} nor {INDEX}")));
    };
    let mut files = BTreeMap::new();
    for (tensor, file) in &index.weight_map {
        if file.contains(['/', '\\']) {
            return Err(ImportError::Malformed {
                path,
                problem: format!("shard {file:?} is not in the same folder"),
            });
        }
        let shard = folder.join(file);
        if !shard.exists() {
            let problem = format!("is missing, {INDEX} says that it holds tensor {tensor}");
            return Err(refuse(&shard, problem));
        }
        if !files.contains_key(file) {
            files.insert(file, container(&shard)?);
        }
        if files[file].tensor(tensor).is_none() {
            let problem = format!("lacks tensor {tensor}, {INDEX} says that it holds it");
            return Err(refuse(&shard, problem));
        }
    }
    let files: Vec<_> = files.into_values().collect();
    let mut places: BTreeMap<String, &Path> = BTreeMap::new();
    for container in &files {
        for name in container.names() {
            if let Some(other) = places.insert(name.clone(), container.path()) {
                let problem = format!("holds tensor {name}, which {} holds as well", other.display());
                return Err(refuse(container.path(), problem));
            }
        }
    }
    Ok(files)
}

fn container(path: &Path) -> Result<Container, ImportError> {
    let container = Container::open(path)?;
    match container.names().len() as u64 {
        0..=MAX_TENSORS => Ok(container),
        many => Err(refuse(
            path,
            format!("holds {many} tensors, at most {MAX_TENSORS} may be"),
        )),
    }
}

impl From<ContainerError> for ImportError {
    fn from(error: ContainerError) -> Self {
        match error {
            ContainerError::Io { path, source } => Self::Read { path, source },
            ContainerError::Header { path, problem } => Self::Malformed { path, problem },
        }
    }
}

fn refuse(path: &Path, problem: String) -> ImportError {
    ImportError::Shard {
        path: path.into(),
        problem,
    }
}
