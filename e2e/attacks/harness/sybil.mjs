// SPDX-License-Identifier: Apache-2.0
// An operator without any model: it answers, attests and reveals what its policy says.
import { stringToHex, u8aToHex } from '@polkadot/util';
import { randomAsU8a } from '@polkadot/util-crypto';
import { answerId, attestation, headerRoot, outputHash, sealed } from '../../harness/commitment.mjs';
import { Worker } from '../../harness/worker.mjs';

/** Lets a new key join by a ticket, with the help of a worker that is stopped then. */
export async function joinByTicket(api, node, uri) {
  const worker = await Worker.create({ name: uri.replaceAll('/', ''), node: node.url, operatorUri: uri });
  await worker.start().registered(api);
  await worker.process.stop();
  return worker;
}

/** Claims as much as the chain lets an executor claim for a job. */
export const claimMost = (job) => ({
  promptTokens: job.maxPromptTokens.toNumber(),
  outputTokens: job.settings.maxTokens.toNumber(),
  output: 'x',
});

export class Sybil {
  /**
   * @param {Map<number, object>} answers what the owner of several of them shares: header, root and seal by job
   * @param {(job: object) => object} claim what it answers
   */
  constructor(api, { operator, hot }, answers, claim = claimMost) {
    Object.assign(this, { api, operator, hot, answers, claim, done: new Set() });
  }

  /** Sends it, once. What the chain refuses is its own affair. */
  async #once(name, extrinsic) {
    if (this.done.has(name)) return;
    this.done.add(name);
    await extrinsic.signAndSend(this.hot, { nonce: -1 }).catch(() => this.done.delete(name));
  }

  async #execute(id) {
    const { tx, query } = this.api;
    const job = (await query.jobs.jobs(id)).unwrapOr(undefined);
    const known = this.answers.get(id);
    if (job?.state.isAssigned) {
      const { promptTokens, outputTokens, output } = this.claim(job);
      const outcome = { Completed: 'Length' };
      const leaves = u8aToHex(randomAsU8a(32));
      const header = { answerId: answerId(id, job), promptTokens, outcome, outputHash: outputHash(output), outputTokens, leaves };
      const [root, seal] = [headerRoot(this.api, header), randomAsU8a(32)];
      this.answers.set(id, { header, root, seal });
      await this.#once(`answer ${id}`, tx.jobs.submitResult(id, stringToHex(output), promptTokens, outputTokens, outcome, sealed(seal, root)));
    } else if (known && job?.answer.unwrapOr(undefined)?.attested.isTrue) {
      await this.#once(`reveal ${id}`, tx.jobs.reveal(id, u8aToHex(known.seal), known.header));
    }
  }

  /** Does what is due. */
  async step() {
    const { query, tx } = this.api;
    const jobs = async (map) => (await map.keys(this.operator.address)).map(({ args }) => args[1].toNumber());
    for (const id of await jobs(query.jobs.executing)) await this.#execute(id);
    for (const id of await jobs(query.audits.pending)) {
      const known = this.answers.get(id);
      if (known) await this.#once(`attest ${id}`, tx.audits.attest(id, attestation(this.operator, known.root)));
    }
  }
}
