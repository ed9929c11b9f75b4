// SPDX-License-Identifier: Apache-2.0
//! Manifests outside of the chain: as hexadecimal text, and the hashes in them.
use codec::{DecodeAll, Encode};
use ergon_primitives::{hash, manifest::Manifest, H256};

/// Hash of a chat template as a manifest holds it: zero where there is none.
pub fn chat_template_hash(template: Option<&str>) -> H256 {
    template
        .map(|template| hash(&[template.as_bytes()]))
        .unwrap_or_default()
}

/// SCALE encoding in hexadecimal with the prefix `0x`, as polkadot.js takes it.
pub fn to_hex(manifest: &Manifest) -> String {
    format!("0x{}", hex::encode(manifest.encode()))
}

/// Inverse of [`to_hex`]; `None` unless the text is exactly one manifest. The prefix may be left out.
pub fn from_hex(text: &str) -> Option<Manifest> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()?;
    Manifest::decode_all(&mut &bytes[..]).ok()
}

/// For `#[serde(with = ...)]`: a manifest as [`to_hex`] writes it.
pub mod hexadecimal {
    use ergon_primitives::manifest::Manifest;
    use serde::{de::Error, Deserialize, Deserializer, Serializer};

    /// Writes the hexadecimal text.
    pub fn serialize<S: Serializer>(manifest: &Manifest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_hex(manifest))
    }

    /// Reads the hexadecimal text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Manifest, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_hex(&text)
            .ok_or_else(|| D::Error::custom("the manifest is not the hexadecimal SCALE encoding of one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_primitives::manifest::{Architecture, Dimensions};

    #[test]
    fn hexadecimal_text_is_read_back_only_as_a_whole() {
        let size = 4;
        let manifest = Manifest {
            name: b"tiny".to_vec().try_into().unwrap(),
            architecture: Architecture::Llama,
            dimensions: Dimensions {
                layers: 1,
                hidden: size,
                feed_forward: size,
                heads: 1,
                kv_heads: 1,
                head_dim: size,
                vocabulary: size,
                context: size,
            },
            arithmetic_version: 1,
            weights_root: H256::zero(),
            tokens_root: H256::zero(),
            tokenizer: H256::zero(),
            chat_template: chat_template_hash(Some("{{ messages }}")),
            end_of_sequence: vec![1].try_into().unwrap(),
        };
        let text = to_hex(&manifest);
        assert_eq!(from_hex(&text), Some(manifest.clone()));
        assert_eq!(from_hex(&text[2..]), Some(manifest));
        assert_eq!(from_hex(&text[..text.len() - 2]), None);
        assert_eq!(from_hex(&format!("{text}00")), None);
        assert_eq!(from_hex("0xnothing"), None);
    }
}
