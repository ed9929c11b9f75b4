// SPDX-License-Identifier: Apache-2.0
// Events of the chain as sentences.

const short = (hash) => `${hash.toHex().slice(0, 10)}…`;
const count = (number) => number.toNumber().toLocaleString('en');

/** By pallet and event; `who` gives an account's name. */
const SENTENCES = {
  'jobs.Submitted': ({ job, requester }, who) => `${who(requester)} submitted job ${job}; it waits in the queue`,
  'jobs.Assigned': ({ operator, deadline }, who) => `the beacon drew ${who(operator)} to execute, before block ${deadline}`,
  'jobs.Reassigned': ({ operator }, who) => `${who(operator)} missed the deadline; the job goes to somebody else`,
  'jobs.Answered': ({ operator, promptTokens, outputTokens, sealed }, who) =>
    `${who(operator)} answered: ${promptTokens} prompt tokens, ${outputTokens} output tokens, sealed commitment ${short(sealed)}`,
  'audits.AuditorDrawn': ({ operator }, who) => `the beacon drew ${who(operator)} to audit`,
  'audits.Attested': ({ operator, attestation }, who) => `${who(operator)} computed it again and attests ${short(attestation)}, sealed too`,
  'audits.AuditorSilent': ({ operator }, who) => `${who(operator)} was silent; somebody else audits`,
  'jobs.Revealed': ({ operator, root }, who) => `${who(operator)} opened its seal: commitment ${short(root)}`,
  'jobs.Settled': ({ auditors, credited }) => `settled: ${auditors} of ${auditors} attestations equal, ${count(credited)} units credited`,
  'jobs.Rejected': ({ reason }) => `rejected: ${reason}`,
  'jobs.Unaudited': () => 'unaudited: nobody has checked the answer',
  'jobs.Disputed': ({ operator, auditor }, who) => `disputed: ${who(auditor)} computed something else than ${who(operator)}`,
  'jobs.Voided': ({ operator }, who) => `voided: ${who(operator)} did not open its seal`,
  'jobs.Expired': () => 'expired: nobody answered in time',
  'contributions.Credited': ({ operator, source, units, epoch }, who) =>
    `${who(operator)} is credited ${count(units)} units (${source.type.toLowerCase()}) in epoch ${epoch}`,
};

/** What an event tells, or undefined if it is not part of a job's story. */
export const tell = (event, who) => SENTENCES[`${event.section}.${event.method}`]?.(event.data, who);

/**
 * Hands every event of every new block to `receive(event, blockNumber)`, in order.
 * @returns a function that ends it
 */
export function followEvents(api, receive) {
  return api.rpc.chain.subscribeNewHeads(async (header) => {
    const at = await api.at(header.hash);
    for (const { event } of await at.query.system.events()) receive(event, header.number.toNumber());
  });
}
