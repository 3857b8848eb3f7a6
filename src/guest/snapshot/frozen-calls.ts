/** Names the calls of a start-up whose results differ from call to call: in a snapshot they are the same for ever. */
import type { StartUpReport } from '../../protocol/module.ts';
import type { ProcessUsage } from '../kernel/usage.ts';

/** System calls by the name under which a Process counts them, all ABIs together. */
const changing = new Set(['random_get', 'random_i32', 'random_i64', 'clock_time_get', 'time_now']);
/** Schemes of Resources that give other bytes each time: random:, time:, and meta:, which tells of one Invocation. */
const changingSchemes = new Set(['random', 'time', 'meta']);
const environmentCalls = ['environ_get', 'args_get', 'env_get', 'startup_arg_at'];

/** Returns what a report says of the calls in `usage` and of the opened schemes. */
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
