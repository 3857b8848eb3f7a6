/** Names the calls of a start-up whose results differ from call to call: a snapshot keeps one result for ever. */
import type { StartUpReport } from '../../protocol/module.ts';
import type { ProcessUsage } from '../kernel/usage.ts';

/** Names of such system calls, as a Process counts them, of all ABIs of modules. Components have no snapshots. */
const changing = new Set(['random_get', 'random_i32', 'random_i64', 'clock_time_get', 'time_now']);
/** Schemes whose Resources give other bytes at each open: random:, time:, and meta:, which describes one Invocation. */
const changingSchemes = new Set(['random', 'time', 'meta']);
const environmentCalls = ['environ_get', 'args_get', 'env_get', 'startup_arg_at'];

/**
 * Returns the calls and schemes of a start-up whose results the snapshot freezes, from its `usage` and the opened
 * schemes.
 */
export function frozenCalls(
  usage: ProcessUsage,
  openedSchemes: ReadonlySet<string>,
): Pick<StartUpReport, 'frozen' | 'hasReadEnvironment'> {
  const called = (name: string) => Object.hasOwn(usage.syscalls, name);
  return {
    frozen: [
      ...Object.keys(usage.syscalls).filter((name) => changing.has(name)),
      ...[...openedSchemes].filter((name) => changingSchemes.has(name)).map((name) => `${name}:`),
    ],
    hasReadEnvironment: environmentCalls.some(called),
  };
}
