/** wasi:random/random, insecure and insecure-seed: random numbers. All of them are cryptographic. */
import { func, list, tuple } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { randomBytes, randomBytesMax, randomU64 } from '../../wasi2/random/source.ts';

const bytes = func({ 'max-len': 'u64' }, list('u8'));

function upTo(guest: Process, most: bigint): Uint8Array {
  return randomBytes(guest, most < BigInt(randomBytesMax) ? most : BigInt(randomBytesMax));
}

/** Returns `max-len` cryptographic random bytes, at most 4 MiB. */
const getRandomBytes = witRow('get-random-bytes', bytes, upTo);

/** Returns a cryptographic random number. */
const getRandomU64 = witRow('get-random-u64', func({}, 'u64'), randomU64);

/** Returns `max-len` random bytes, at most 4 MiB. */
const getInsecureRandomBytes = witRow('get-insecure-random-bytes', bytes, upTo);

/** Returns a random number. */
const getInsecureRandomU64 = witRow('get-insecure-random-u64', func({}, 'u64'), randomU64);

/** Returns 128 random bits, which differ from invocation to invocation. */
const getInsecureSeed = witRow('get-insecure-seed', func({}, tuple('u64', 'u64')), (guest: Process) => [
  randomU64(guest),
  randomU64(guest),
]);

export const random = [
  witInterface('wasi3', 'wasi:random/random@0.3', [getRandomBytes, getRandomU64]),
  witInterface('wasi3', 'wasi:random/insecure@0.3', [getInsecureRandomBytes, getInsecureRandomU64]),
  witInterface('wasi3', 'wasi:random/insecure-seed@0.3', [getInsecureSeed]),
];
