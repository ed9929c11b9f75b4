// SPDX-License-Identifier: Apache-2.0
//! GGUF models in several files, as llama.cpp's `gguf-split` cuts them.
//!
//! File `i` of `n` is called `NAME-0000i-of-0000n.gguf`, counted from 1. Each says so in its metadata: `split.no` (from 0), `split.count`, and
//! `split.tensors.count` over all files. The first one has the rest of the metadata. Any of them may be given.
use super::{gguf::Gguf, ImportError, MAX_TENSORS};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Opens a model, whether in one file or in several.
pub(super) fn open(path: &Path) -> Result<Gguf, ImportError> {
    let given = Gguf::open(path)?;
    let Some(count) = given.number("split.count").filter(|count| *count > 1) else {
        return Ok(given);
    };
    let named = Name::of(path).filter(|name| name.count == count).ok_or_else(|| {
        refuse(
            path,
            format!("is one of {count} files (split.count) but not named so, like NAME-00001-of-{count:05}.gguf"),
        )
    })?;
    drop(given);
    let mut model = named.open(1)?;
    let announced = model.number("split.tensors.count");
    let mut places: BTreeMap<String, u32> = model.tensors.keys().map(|name| (name.clone(), 1)).collect();
    for number in 2..=count {
        for (name, tensor) in named.open(number)?.tensors {
            if let Some(other) = places.insert(name.clone(), number) {
                let problem = format!("holds tensor {name}, which file {other} of {count} holds as well");
                return Err(refuse(&named.path(number), problem));
            }
            model.tensors.insert(name, tensor);
        }
        if model.tensors.len() as u64 > MAX_TENSORS {
            let problem = format!("brings the model beyond {MAX_TENSORS} tensors, the most there may be");
            return Err(refuse(&named.path(number), problem));
        }
    }
    match announced {
        Some(announced) if announced as usize != model.tensors.len() => {
            let found = model.tensors.len();
            let problem =
                format!("announces {announced} tensors (split.tensors.count), the {count} files hold {found}");
            Err(refuse(&named.path(1), problem))
        }
        _ => Ok(model),
    }
}

fn refuse(path: &Path, problem: String) -> ImportError {
    ImportError::Shard {
        path: path.into(),
        problem,
    }
}

/// What the name of a file says of the model it is part of.
pub(super) struct Name {
    folder: PathBuf,
    /// Name of the model.
    pub stem: String,
    count: u32,
}

impl Name {
    /// `None` if it isn't a name of a part.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (start, count) = name.rsplit_once("-of-")?;
        let (stem, number) = start.rsplit_once('-')?;
        let digits = |text: &str| (text.len() == 5).then(|| text.parse::<u16>().ok()).flatten();
        let (number, count) = (digits(number)?, digits(count)?);
        (1..=count).contains(&number).then(|| Self {
            folder: path.parent().unwrap_or(Path::new("")).into(),
            stem: stem.into(),
            count: count.into(),
        })
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder
            .join(format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count))
    }

    /// Opens file `number`, which must be what its name says.
    fn open(&self, number: u32) -> Result<Gguf, ImportError> {
        let (path, count) = (self.path(number), self.count);
        if !path.exists() {
            return Err(refuse(&path, format!("is missing, the model has {count} files")));
        }
        let gguf = Gguf::open(&path)?;
        let [no, of] = ["split.no", "split.count"].map(|key| gguf.number(key));
        if (no, of) == (Some(number - 1), Some(count)) {
            return Ok(gguf);
        }
        let says = |number: Option<u32>| number.map_or("nothing".into(), |number| number.to_string());
        let problem = format!(
            "is not the file that its name says: split.no is {}, not {}, split.count is {}, not {count}",
            says(no),
            number - 1,
            says(of)
        );
        Err(refuse(&path, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_parts_are_taken_for_such() {
        let name = Name::of(Path::new("a/tiny-Q8_0-00002-of-00003.gguf")).unwrap();
        assert_eq!((name.stem.as_str(), name.count), ("tiny-Q8_0", 3));
        assert_eq!(name.path(1), Path::new("a/tiny-Q8_0-00001-of-00003.gguf"));
        for other in [
            "tiny.gguf",
            "tiny-00004-of-00003.gguf",
            "tiny-00000-of-00003.gguf",
            "tiny-1-of-3.gguf",
            "tiny-00001-of-00003.safetensors",
            "tiny-0000x-of-00003.gguf",
        ] {
            assert!(Name::of(Path::new(other)).is_none(), "{other}");
        }
    }
}
