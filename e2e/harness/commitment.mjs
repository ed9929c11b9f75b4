// SPDX-License-Identifier: Apache-2.0
// The commitment to an answer, written down a second time from its specification (ergon_primitives::commitment).
import { bnToU8a, stringToU8a, u8aConcat, u8aToHex } from '@polkadot/util';
import { blake2AsU8a } from '@polkadot/util-crypto';

const hash = (domain, ...parts) => blake2AsU8a(u8aConcat(stringToU8a(domain), ...parts));

/** Name of the answer to a job as it stands in storage, once it was assigned. */
export const answerId = (id, job) =>
  u8aToHex(hash('ergon/answer', bnToU8a(id, { bitLength: 64 }), job.requestHash.toU8a(), job.samplingKey.unwrap().toU8a()));

/** Hash of an output's bytes. */
export const outputHash = (output) => u8aToHex(hash('ergon/output', stringToU8a(output)));

/** The commitment: hash of the header as the extrinsic `jobs.reveal` encodes it. */
export const headerRoot = (api, header) => hash('ergon/header', api.tx.jobs.reveal(0, u8aToHex(new Uint8Array(32)), header).args[2].toU8a());

/** What a result publishes instead of the root. */
export const sealed = (seal, root) => u8aToHex(hash('ergon/seal', seal, root));

/** What an auditor publishes. */
export const attestation = (operator, root) => u8aToHex(hash('ergon/attestation', operator.publicKey, root));
