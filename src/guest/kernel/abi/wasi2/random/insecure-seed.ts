/** wasi:random/insecure-seed: a seed for hash maps. */
import { func, tuple } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { randomU64 } from './source.ts';

/** Returns 128 random bits, which differ from invocation to invocation. */
const insecureSeed = witRow('insecure-seed', func({}, tuple('u64', 'u64')), (guest: Process) => [
  randomU64(guest),
  randomU64(guest),
]);

export const randomInsecureSeed = witInterface('wasi2', 'wasi:random/insecure-seed@0.2', [insecureSeed]);
