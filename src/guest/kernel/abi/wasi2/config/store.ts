/**
 * wasi:config: the handler's variables, as `wasmcloud env` and the manifest set them. Components see no difference
 * between the names `runtime` and `store`, or between the versions.
 */
import { func, list, option, result, tuple, variant } from '../../../../component/wit.ts';
import { ok, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { toText } from '../cli/environment.ts';

const errorType = variant({ upstream: 'string', io: 'string' });

/** Returns the value of the variable `key`; none if it is not set. */
const get = witRow(
  'get',
  func({ key: 'string' }, result(option('string'), errorType)),
  (guest: Process, key: string) => {
    const value = guest.options.env.get(key);
    return ok(value === undefined ? null : toText(value));
  },
);

/** Returns all variables. */
const getAll = witRow('get-all', func({}, result(list(tuple('string', 'string')), errorType)), (guest: Process) =>
  ok([...guest.options.env].map(([key, value]) => [key, toText(value)])),
);

const names = ['wasi:config/store@0.2.0-rc.1', 'wasi:config/store@0.2.0-draft', 'wasi:config/runtime@0.2.0-draft'];

export const config = names.map((name) => witInterface('wasi2', name, [get, getAll]));
