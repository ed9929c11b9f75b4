// SPDX-License-Identifier: Apache-2.0
// The demo: a real model answers a job on a development chain with two workers. Run by `make demo`.
import { connect, devKey } from './harness/chain.mjs';
import { greedy, readOutput, submit, waitForState, waitForWeight } from './harness/jobs.mjs';
import { chatPrompt, findModel } from './harness/models.mjs';
import { startNode } from './harness/node.mjs';
import { stopAll } from './harness/process.mjs';
import { followEvents, tell } from './harness/story.mjs';
import { HarnessError, say } from './harness/wait.mjs';
import { startWorkers, wgpuAdapter } from './harness/worker.mjs';

const QUESTION = 'What is the capital of France?';
const EXPECTED = 'The capital of France is Paris.';
const MAX_TOKENS = 32;
const JOB_SECONDS = 300;
// An epoch is 20 slots of 3 seconds.
const EPOCH_SECONDS = 120;

async function demo() {
  say('starting a development chain: one validator, blocks every 3 seconds');
  const node = await startNode();
  const api = await connect(node.url);
  say(`${await api.rpc.system.name()} ${await api.rpc.system.version()} listens at ${node.url}`);
  const model = await findModel(node);
  say(`the chain knows the model ${model.name} as ${model.id}`);

  say('starting worker A (wgpu) and worker B (cpu)');
  const workers = await startWorkers(api, [
    { name: 'A', number: 1, node: node.url, backend: 'wgpu', adapter: await wgpuAdapter() },
    { name: 'B', number: 2, node: node.url, backend: 'cpu' },
  ]);
  for (const { name, backend, operator } of workers) say(`worker ${name} (${backend}) is registered: operator ${operator.address}`);

  const requester = await devKey('//Alice');
  const names = new Map([[requester.address, 'Alice'], ...workers.map((worker) => [worker.operator.address, worker.name])]);
  const who = (account) => names.get(account.toString()) ?? account.toString();
  const roles = { auditors: [] };
  const unfollow = await followEvents(api, (event, block) => {
    const sentence = tell(event, who);
    if (sentence) say(`block ${block}: ${sentence}`);
    if (event.section === 'audits' && event.method === 'Attested') roles.auditors.push(who(event.data.operator));
  });

  say(`asking: ${QUESTION}`);
  const id = await submit(api, requester, model.id, await chatPrompt(QUESTION), greedy(MAX_TOKENS));
  const job = await waitForState(api, id, ['Settled'], JOB_SECONDS);
  const output = await readOutput(api, id);
  say(`the answer: ${output}`);
  if (output !== EXPECTED) throw new HarnessError(`the answer is ${JSON.stringify(output)}, not ${JSON.stringify(EXPECTED)}`);
  if (job.credited === 0) throw new HarnessError('the job earned no units');

  const executor = names.get(job.executor);
  say(`units become weight when the epoch closes; waiting for the weight of ${executor}`);
  const weight = await waitForWeight(node, job.executor, EPOCH_SECONDS);
  unfollow();
  const audited = `audited-by=${roles.auditors.join(',')}`;
  return `job=${id} state=${job.state} executed-by=${executor} output=${JSON.stringify(output)} units=${job.credited} ${audited} weight(${executor})=${weight}`;
}

let last;
try {
  last = `demo: ok ${await demo()}`;
} catch (error) {
  // The stack says nothing new about a wait that was in vain.
  console.error(error instanceof HarnessError ? error.message : error);
  last = `demo: failed: ${(error.reason ?? error.message).split('\n')[0]}`;
  process.exitCode = 1;
}
await stopAll();
console.log(last);
process.exit();
