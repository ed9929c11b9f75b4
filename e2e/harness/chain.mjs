// SPDX-License-Identifier: Apache-2.0
// The chain as a developer sees it: stock @polkadot/api, no custom types.
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { beforeStop } from './process.mjs';

const SEND_SECONDS = 60;

/** An extrinsic that did not do what it was sent for. `name` of an error of ours is `pallet.Error`. */
export class ExtrinsicError extends Error {
  constructor(name, detail) {
    super(`${name}: ${detail}`);
    this.name = name;
  }
}

/** Connects; `noInitWarn` because the node's own RPC methods are called by name. */
export async function connect(url) {
  await cryptoWaitReady();
  const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true, throwOnConnect: true });
  beforeStop(() => api.disconnect());
  return api;
}

/** A key pair of a development account, such as `//Alice`. */
export async function devKey(uri) {
  await cryptoWaitReady();
  return new Keyring({ type: 'sr25519' }).addFromUri(uri);
}

function failure(api, dispatchError) {
  if (!dispatchError.isModule) return new ExtrinsicError(dispatchError.type, dispatchError.toString());
  const { section, name, docs } = api.registry.findMetaError(dispatchError.asModule);
  return new ExtrinsicError(`${section}.${name}`, docs.join(' '));
}

/**
 * Signs, sends and waits until the extrinsic is in a block.
 * @returns {Promise<{ blockHash: string, events: object[] }>} rejects with {@link ExtrinsicError} if it failed there, or with what the pool said
 */
export function send(api, extrinsic, signer, options = {}) {
  return new Promise((resolve, reject) => {
    let unsubscribe;
    let finished = false;
    const finish = (settle, value) => {
      finished = true;
      clearTimeout(timer);
      unsubscribe?.();
      settle(value);
    };
    const name = `${extrinsic.method.section}.${extrinsic.method.method}`;
    const timer = setTimeout(() => finish(reject, new Error(`${name} is in no block after ${SEND_SECONDS} s`)), SEND_SECONDS * 1000);
    extrinsic
      .signAndSend(signer, { nonce: -1, ...options }, ({ status, dispatchError, events }) => {
        if (status.isInBlock || status.isFinalized) {
          if (dispatchError) finish(reject, failure(api, dispatchError));
          else finish(resolve, { blockHash: (status.isInBlock ? status.asInBlock : status.asFinalized).toHex(), events: events.map((e) => e.event) });
        } else if (status.isDropped || status.isInvalid || status.isUsurped) {
          finish(reject, new ExtrinsicError(status.type, `${name} left the pool`));
        }
      })
      .then(
        (stop) => (finished ? stop() : (unsubscribe = stop)),
        (error) => finish(reject, error),
      );
  });
}

/**
 * Sends all of them at once, so that they share a block, and waits for each.
 * @param {[extrinsic: object, signer: object][]} list
 * @returns as `Promise.allSettled`, in the same order
 */
export async function sendTogether(api, list) {
  const nonces = new Map();
  const sent = [];
  for (const [extrinsic, signer] of list) {
    const nonce = nonces.get(signer) ?? (await api.rpc.system.accountNextIndex(signer.address)).toNumber();
    nonces.set(signer, nonce + 1);
    sent.push(send(api, extrinsic, signer, { nonce }));
  }
  return Promise.allSettled(sent);
}

/** Signs and sends all of them, one after the other, without waiting for blocks. */
export async function sendAll(api, extrinsics, signer) {
  let nonce = (await api.rpc.system.accountNextIndex(signer.address)).toNumber();
  for (const extrinsic of extrinsics) await extrinsic.signAndSend(signer, { nonce: nonce++ });
}

/** The first event of this pallet and name. */
export const findEvent = (events, section, method) => events.find((event) => event.section === section && event.method === method);

/**
 * Every extrinsic of this pallet and call in the chain's blocks up to the newest, oldest first. `outcome` is `ok`, or the name of the error.
 * @returns {Promise<{ block: number, args: object[], outcome: string }[]>}
 */
export async function findExtrinsics(api, section, method) {
  const found = [];
  const { number } = await api.rpc.chain.getHeader();
  for (let block = 1; block <= number.toNumber(); block++) {
    const hash = await api.rpc.chain.getBlockHash(block);
    const { extrinsics } = (await api.rpc.chain.getBlock(hash)).block;
    if (!extrinsics.some((each) => each.method.section === section && each.method.method === method)) continue;
    const events = await (await api.at(hash)).query.system.events();
    extrinsics.forEach(({ method: call }, index) => {
      if (call.section !== section || call.method !== method) return;
      const own = events.filter(({ phase }) => phase.isApplyExtrinsic && phase.asApplyExtrinsic.eqn(index)).map(({ event }) => event);
      const failed = findEvent(own, 'system', 'ExtrinsicFailed');
      found.push({ block, args: call.args, outcome: failed ? failure(api, failed.data.dispatchError).name : 'ok' });
    });
  }
  return found;
}
