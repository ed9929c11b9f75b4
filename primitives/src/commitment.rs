// SPDX-License-Identifier: Apache-2.0
//! What an executor binds itself to.
//!
//! 1. Every output position gives a tagged [`Leaf`]; [`merkle::root`](crate::merkle::root) over them goes into the [`Header`].
//! 2. [`Header::root`] is *the* commitment to the answer.
//! 3. The result publishes only [`sealed`]`(seal, root)`. Auditors who re-executed the job publish [`attestation`]`(auditor, root)`, so
//!    nobody can attest by copying. Then the executor reveals seal and header.
use crate::{hash, merkle, JobId, H256};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Why decoding ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum StopReason {
    /// The model said so; the end-of-sequence token is the last leaf, its bytes are not in the output.
    EndOfSequence,
    /// `max_tokens`, the model's context or the longest output was reached.
    Length,
    /// A stop string begins at this byte of the decoded text; the output ends before it.
    StopString {
        /// First byte of the stop string.
        at: u32,
    },
}

/// Why a job can't be answered. Auditors check it like an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum RejectReason {
    /// Prompt and one output token don't fit the model's context.
    PromptTooLong,
    /// The prompt is not UTF-8, or has no token, or names a token that the model doesn't have.
    InvalidPrompt,
}

/// How a job ended for its executor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Outcome {
    /// With an answer.
    Completed(StopReason),
    /// With a reason why there can't be one.
    Rejected(RejectReason),
}

/// One output position.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
pub struct Leaf {
    /// Position in the output, from 0.
    pub position: u32,
    /// Token chosen at it.
    pub token: u32,
    /// Hash of the final hidden state that the choice was made from.
    pub hidden: H256,
}

impl Leaf {
    /// Leaf hash, bound to the answer it belongs to.
    pub fn hash(&self, answer: &H256) -> H256 {
        merkle::leaf(&[b"ergon/position", &answer.0, &self.encode()])
    }
}

/// Name of the answer to a request, for all of its leaves: of `job`, asking for `request` under `sampling_key`.
pub fn answer_id(job: JobId, request: &H256, sampling_key: &H256) -> H256 {
    hash(&[b"ergon/answer", &job.to_le_bytes(), &request.0, &sampling_key.0])
}

/// Everything that the commitment to one answer binds.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Header {
    /// [`answer_id`] of the job.
    pub answer_id: H256,
    /// Number of prompt tokens.
    pub prompt_tokens: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Hash of the output's bytes, see [`output_hash`].
    pub output_hash: H256,
    /// Number of output tokens, which is the number of leaves.
    pub output_tokens: u32,
    /// Root over the leaves; zero when there are none.
    pub leaves: H256,
}

impl Header {
    /// Header of an answer with these leaves, in order of position.
    pub fn new(answer_id: H256, prompt_tokens: u32, outcome: Outcome, output: &[u8], leaves: &[Leaf]) -> Self {
        let hashes: Vec<H256> = leaves.iter().map(|leaf| leaf.hash(&answer_id)).collect();
        Self {
            answer_id,
            prompt_tokens,
            outcome,
            output_hash: output_hash(output),
            output_tokens: leaves.len() as u32,
            leaves: merkle::root(hashes),
        }
    }

    /// The commitment.
    pub fn root(&self) -> H256 {
        hash(&[b"ergon/header", &self.encode()])
    }
}

/// Hash of an output's bytes.
pub fn output_hash(output: &[u8]) -> H256 {
    hash(&[b"ergon/output", output])
}

/// What the result publishes instead of the root. `seal` is 32 random bytes that the executor keeps until it reveals.
pub fn sealed(seal: &H256, root: &H256) -> H256 {
    hash(&[b"ergon/seal", &seal.0, &root.0])
}

/// What an auditor publishes: the root it computed, bound to its account.
pub fn attestation(auditor: &impl Encode, root: &H256) -> H256 {
    hash(&[b"ergon/attestation", &auditor.encode(), &root.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(leaves: &[Leaf]) -> Header {
        Header::new(
            H256::repeat_byte(9),
            3,
            Outcome::Completed(StopReason::Length),
            b"out",
            leaves,
        )
    }

    #[test]
    fn every_part_of_an_answer_changes_its_root() {
        let leaf = Leaf {
            position: 0,
            token: 5,
            hidden: H256::repeat_byte(1),
        };
        let base = header(&[leaf]);
        let variants = [
            header(&[]),
            header(&[Leaf { token: 6, ..leaf }]),
            header(&[Leaf { position: 1, ..leaf }]),
            header(&[Leaf {
                hidden: H256::zero(),
                ..leaf
            }]),
            Header {
                prompt_tokens: 4,
                ..base.clone()
            },
            Header {
                outcome: Outcome::Completed(StopReason::EndOfSequence),
                ..base.clone()
            },
            Header {
                output_hash: output_hash(b"other"),
                ..base.clone()
            },
            Header {
                answer_id: H256::zero(),
                ..base.clone()
            },
        ];
        for variant in variants {
            assert_ne!(variant.root(), base.root(), "{variant:?}");
        }
    }

    #[test]
    fn leaves_of_one_answer_are_no_leaves_of_another() {
        let leaf = Leaf {
            position: 0,
            token: 5,
            hidden: H256::zero(),
        };
        assert_ne!(leaf.hash(&H256::zero()), leaf.hash(&H256::repeat_byte(1)));
    }

    #[test]
    fn an_attestation_can_not_be_copied() {
        let root = H256::repeat_byte(7);
        assert_ne!(attestation(&1u64, &root), attestation(&2u64, &root));
        assert_ne!(sealed(&H256::zero(), &root), sealed(&root, &H256::zero()));
    }
}
