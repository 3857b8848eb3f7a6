/** wasi:random/insecure: random numbers that need not be cryptographic; here they are. */
import { func, list } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { randomBytes, randomU64 } from './source.ts';

/** Returns `len` random bytes. Traps for more than 4 MiB. */
const getInsecureRandomBytes = witRow('get-insecure-random-bytes', func({ len: 'u64' }, list('u8')), randomBytes);

/** Returns a random number. */
const getInsecureRandomU64 = witRow('get-insecure-random-u64', func({}, 'u64'), randomU64);

export const insecure = witInterface('wasi2', 'wasi:random/insecure@0.2', [
  getInsecureRandomBytes,
  getInsecureRandomU64,
]);
