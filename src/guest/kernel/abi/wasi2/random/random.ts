/** wasi:random/random: cryptographic random numbers. */
import { func, list } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { randomBytes, randomU64 } from './source.ts';

/** Returns `len` cryptographic random bytes. Traps for more than 4 MiB. */
const getRandomBytes = witRow('get-random-bytes', func({ len: 'u64' }, list('u8')), randomBytes);

/** Returns a cryptographic random number. */
const getRandomU64 = witRow('get-random-u64', func({}, 'u64'), randomU64);

export const random = witInterface('wasi2', 'wasi:random/random@0.2', [getRandomBytes, getRandomU64]);
