// SPDX-License-Identifier: Apache-2.0
//! The memory that an import takes.
use crate::fuzz::allocation::peak_of;
use ergon_engine::{
    artifact::Artifact,
    import::{import, Options},
    testing::write_sparse_folder,
};
use ergon_primitives::manifest::Dimensions;
use std::{fs, ops::ControlFlow};

/// 20 layers of 16 Mi weights each; the largest tensor has 4 Mi, 8 MiB in BF16.
const LARGE: Dimensions = Dimensions {
    layers: 20,
    hidden: 1024,
    feed_forward: 4096,
    heads: 16,
    kv_heads: 16,
    head_dim: 64,
    vocabulary: 64,
    context: 64,
};
const MIB: usize = 1 << 20;

/// Largest resident memory of this process since `forget_peak`, mapped files included, in bytes.
fn resident_peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

fn forget_peak() {
    // proc(5): 5 resets the peak to the current resident set.
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

#[test]
fn importing_and_verifying_a_large_model_takes_little_more_memory_than_its_largest_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let (source, artifact) = (folder.path().join("model"), folder.path().join("model.ergon"));
    fs::create_dir(&source).unwrap();
    write_sparse_folder(&source, &LARGE).unwrap();
    let mut resident = 0;
    let allocated = peak_of(|| {
        forget_peak();
        let before = resident_peak();
        import(&source, &artifact, &Options::default(), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
        Artifact::open(&artifact).unwrap().verify().unwrap();
        resident = resident_peak() - before;
    });
    let size = fs::metadata(&artifact).unwrap().len() as usize;
    assert!(size > 320 * MIB, "the artifact has {size} bytes");
    // As stored 8 MiB, quantized 4 MiB; the leaves of 320 MiB take 2.5 MiB; the rest is what threads and libraries hold.
    assert!(allocated < 16 * MIB, "{allocated} bytes were allocated");
    assert!(resident < 48 * MIB, "{resident} bytes were resident");
}
