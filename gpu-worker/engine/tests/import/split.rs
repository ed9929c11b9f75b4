// SPDX-License-Identifier: Apache-2.0
//! Models in several files.
use super::*;

/// Tensors and metadata of one file.
type Part = (Vec<tiny::GgufTensor>, Vec<(String, Entry)>);

/// The parts of a model as `gguf-split` makes them: the metadata in the first one only.
fn parts(tiny: &Tiny, count: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = (0..count).map(|_| Default::default()).collect();
    let tensors = tiny.gguf_tensors();
    let (total, size) = (tensors.len(), tensors.len().div_ceil(count));
    for (i, tensor) in tensors.into_iter().enumerate() {
        parts[i / size].0.push(tensor);
    }
    parts[0].1 = tiny.entries();
    for (no, part) in parts.iter_mut().enumerate() {
        part.1.extend([
            ("split.no".into(), Entry::U16(no as u16)),
            ("split.count".into(), Entry::U16(count as u16)),
            ("split.tensors.count".into(), Entry::U32(total as u32)),
        ]);
    }
    parts
}

fn write_parts(parts: &[Part]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, (tensors, entries)) in parts.iter().enumerate() {
        fs::write(part_path(&folder, i + 1, parts.len()), gguf(entries, tensors)).unwrap();
    }
    folder
}

fn part_path(folder: &TempDir, number: usize, count: usize) -> PathBuf {
    folder.path().join(format!("tiny-Q8_0-{number:05}-of-{count:05}.gguf"))
}

/// What import says of three parts, changed; the path given is that of `given`.
fn refusal_of(change: impl FnOnce(&mut Vec<Part>), given: usize) -> String {
    let mut parts = parts(&Tiny::new(9), 3);
    change(&mut parts);
    refusal(&part_path(&write_parts(&parts), given, 3))
}

#[test]
fn a_split_gguf_gives_the_same_model_as_one_file_whichever_part_is_named() {
    let tiny = Tiny::new(9);
    let (_keep, whole) = gguf_file(&gguf(&tiny.entries(), &tiny.gguf_tensors()));
    let expected = try_import(&whole).unwrap().0;
    for count in [2, 3, 5] {
        let folder = write_parts(&parts(&tiny, count));
        for given in [1, count] {
            assert_eq!(try_import(&part_path(&folder, given, count)).unwrap().0, expected);
        }
    }
}

#[test]
fn a_split_gguf_is_named_as_its_model() {
    let (folder, out) = (write_parts(&parts(&Tiny::new(9), 2)), tempfile::tempdir().unwrap());
    let source = part_path(&folder, 1, 2);
    let manifest = import(
        &source,
        &out.path().join("model.ergon"),
        &Options::default(),
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap();
    assert_eq!(manifest.name.as_slice(), b"tiny");
}

#[test]
fn a_missing_part_is_named() {
    let folder = write_parts(&parts(&Tiny::new(9), 3));
    fs::remove_file(part_path(&folder, 2, 3)).unwrap();
    for given in [1, 3] {
        let error = refusal(&part_path(&folder, given, 3));
        assert!(error.contains("tiny-Q8_0-00002-of-00003.gguf is missing"), "{error}");
    }
}

#[test]
fn a_part_that_is_not_what_its_name_says_is_refused() {
    let twice = refusal_of(|parts| parts[2].1 = parts[1].1.clone(), 1);
    assert!(
        twice.contains("00003-of-00003") && twice.contains("split.no is 1, not 2"),
        "{twice}"
    );
    let plain = refusal_of(|parts| parts[1].1.clear(), 1);
    assert!(
        plain.contains("00002-of-00003") && plain.contains("split.no is nothing"),
        "{plain}"
    );
    let of_another = refusal_of(|parts| parts[1].1[1].1 = Entry::U16(4), 1);
    assert!(of_another.contains("split.count is 4, not 3"), "{of_another}");
    let folder = write_parts(&parts(&Tiny::new(9), 3));
    let renamed = folder.path().join("tiny.gguf");
    fs::copy(part_path(&folder, 1, 3), &renamed).unwrap();
    let error = refusal(&renamed);
    assert!(
        error.contains("is one of 3 files") && error.contains("-00001-of-00003"),
        "{error}"
    );
}

#[test]
fn a_tensor_in_two_parts_or_in_none_is_refused() {
    let twice = refusal_of(
        |parts| {
            let again = parts[0].0.remove(0);
            parts[2].0.push(again);
            parts[0].0 = Tiny::new(9).gguf_tensors().drain(..2).collect();
        },
        1,
    );
    assert!(
        twice.contains("00003-of-00003") && twice.contains("token_embd.weight, which file 1 of 3 holds"),
        "{twice}"
    );
    let nowhere = refusal_of(|parts| drop(parts[1].0.pop()), 2);
    assert!(
        nowhere.contains("announces 20 tensors") && nowhere.contains("hold 19"),
        "{nowhere}"
    );
}

/// A folder in three shards, and its index.
fn sharded() -> (TempDir, serde_json::Value) {
    let folder = folder(&Tiny::new(3), Dtype::F32, |v| v.to_le_bytes().to_vec(), 3);
    let index = fs::read(folder.path().join("model.safetensors.index.json")).unwrap();
    (folder, serde_json::from_slice(&index).unwrap())
}

fn refusal_with(folder: &TempDir, index: &serde_json::Value) -> String {
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    refusal(folder.path())
}

#[test]
fn a_missing_shard_is_named_with_what_it_should_hold() {
    let (folder, index) = sharded();
    fs::remove_file(folder.path().join("model-1.safetensors")).unwrap();
    let error = refusal_with(&folder, &index);
    assert!(
        error.contains("model-1.safetensors is missing") && error.contains("holds tensor model."),
        "{error}"
    );
    fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    assert!(refusal(folder.path()).contains("holds neither model.safetensors nor model.safetensors.index.json"));
}

#[test]
fn a_tensor_in_two_shards_or_in_none_is_refused() {
    let (folder, mut index) = sharded();
    fs::copy(
        folder.path().join("model-1.safetensors"),
        folder.path().join("model-3.safetensors"),
    )
    .unwrap();
    let name = "model.embed_tokens.weight";
    index["weight_map"]["model.made_up.weight"] = "model-2.safetensors".into();
    let nowhere = refusal_with(&folder, &index);
    assert!(
        nowhere.contains("model-2.safetensors lacks tensor model.made_up.weight"),
        "{nowhere}"
    );
    index["weight_map"]
        .as_object_mut()
        .unwrap()
        .remove("model.made_up.weight");
    let home = index["weight_map"][name].clone();
    fs::copy(
        folder.path().join(home.as_str().unwrap()),
        folder.path().join("model-3.safetensors"),
    )
    .unwrap();
    index["weight_map"][name] = "model-3.safetensors".into();
    let twice = refusal_with(&folder, &index);
    assert!(
        twice.contains("model-3.safetensors holds tensor") && twice.contains("as well"),
        "{twice}"
    );
    index["weight_map"][name] = "../model-3.safetensors".into();
    assert!(refusal_with(&folder, &index).contains("is not in the same folder"));
}
