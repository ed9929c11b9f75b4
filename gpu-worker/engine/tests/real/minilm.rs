// SPDX-License-Identifier: Apache-2.0
//! The real all-MiniLM-L6-v2: tokens, embeddings against single precision, pinned root, what is left out and what is refused.
use super::common::real_file;
use ergon_engine::{
    artifact::{Artifact, ArtifactError, Verify},
    cpu::CpuEncoder,
    import::{import, Options},
    testing::encoder::reference,
    tokenizer::wordpiece::WordPiece,
    Encoder, EncoderModel,
};
use ergon_primitives::manifest::{Architecture, Manifest};
use serde::Deserialize;
use std::{ops::ControlFlow, path::Path, sync::Arc};
use tempfile::TempDir;

/// Changes only with the arithmetic's version, never with a machine or a release.
const WEIGHTS_ROOT: &str = "f90ad61d97a5f4c5470e712c4d77db9e5a14cdb82e193acd4c2c27db9e2103d5";

/// What a single-precision model gives, six digits after the point.
#[derive(Deserialize)]
struct Golden {
    text: String,
    ids: Vec<u32>,
    embedding: Vec<f64>,
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(include_str!("../golden/all-minilm-l6-v2.json")).unwrap()
}

fn imported() -> Option<(TempDir, Manifest)> {
    let config = real_file("ERGON_MINILM", "all-MiniLM-L6-v2/config.json")?;
    let folder = tempfile::tempdir().unwrap();
    let source = config.parent().unwrap_or(Path::new("."));
    let manifest = import(
        source,
        &folder.path().join("minilm.ergon"),
        &Options::default(),
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap();
    Some((folder, manifest))
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn embeddings_are_those_of_single_precision() {
    let Some((folder, manifest)) = imported() else { return };
    assert_eq!(manifest.architecture, Architecture::Bert);
    // sentence-transformers takes at most 256 tokens; 30522 tokens fill up to a multiple of 4.
    assert_eq!(
        (manifest.dimensions.context, manifest.dimensions.vocabulary),
        (256, 30524)
    );
    assert_eq!(hex::encode(manifest.weights_root), WEIGHTS_ROOT);
    let path = folder.path().join("minilm.ergon");
    let model: Arc<EncoderModel> = Arc::new(Artifact::load_encoder(&path, Verify::Full).unwrap());
    let tokenizer = WordPiece::from_json(model.tokenizer.as_bytes()).unwrap();
    let encoder = CpuEncoder::new(model.clone());
    let golden = golden();
    let mut embeddings: Vec<Vec<f64>> = Vec::new();
    for golden in &golden {
        let tokens = tokenizer.encode(&golden.text).unwrap();
        assert_eq!(tokens, golden.ids, "{}", golden.text);
        let embedding = encoder.encode(&tokens).unwrap();
        assert_eq!(embedding, reference(&model, &tokens), "{}", golden.text);
        let floats: Vec<f64> = embedding.to_f32().into_iter().map(f64::from).collect();
        let length = floats.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-6, "{}: {length}", golden.text);
        let cosine = cosine(&floats, &golden.embedding);
        assert!(cosine >= 0.999, "{}: {cosine}", golden.text);
        embeddings.push(floats);
    }
    // Texts are as similar to each other as in single precision.
    for i in 0..golden.len() {
        for j in 0..i {
            let exact = cosine(&golden[i].embedding, &golden[j].embedding);
            let found = cosine(&embeddings[i], &embeddings[j]);
            assert!(
                (found - exact).abs() < 0.01,
                "{} and {}",
                golden[i].text,
                golden[j].text
            );
        }
    }
}

#[test]
fn an_encoder_is_no_decoder() {
    let Some((folder, _)) = imported() else { return };
    let error = Artifact::load(&folder.path().join("minilm.ergon"), Verify::Skip).unwrap_err();
    assert!(matches!(
        error,
        ArtifactError::Kind {
            architecture: Architecture::Bert
        }
    ));
    assert!(error.to_string().contains("ergon-worker model embed"), "{error}");
}
