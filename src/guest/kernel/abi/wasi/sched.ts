/** Implements WASI `sched_yield`. */

import { Wasi } from './errno.ts';
import { wasiRow } from './row.ts';

/** Lets the event loop turn once, so that other Processes run. */
export const schedYield = wasiRow(
  'sched_yield',
  [],
  true,
  () => new Promise<number>((resolve) => setImmediate(() => resolve(Wasi.success))),
);
