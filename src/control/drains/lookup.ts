/** Looks up the names of receivers, few at a time. */
import { lookup as dnsLookup } from 'node:dns/promises';
import type { Lookup } from '../../guest/kernel/net/egress.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import { drainBatch } from './drains.ts';
import { DrainFailure } from './failure.ts';

export const lookupLimits = {
  /**
   * Names that are looked up at a time. getaddrinfo holds one of the four pool threads of the process, for seconds if
   * the name server is slow, and files and compression need these threads.
   */
  atOnce: 2,
  /** Names that wait, one for each drain that sends. A name waits on when its drain has given up. */
  waiting: drainBatch.running,
} as const;

/**
 * Returns a lookup that asks `lookup` for `lookupLimits.atOnce` names at a time. It rejects with DrainFailure if
 * `lookupLimits.waiting` names wait already, and as `lookup` does. `lookup` default: getaddrinfo.
 */
export function queuedLookup(lookup: Lookup = (name) => dnsLookup(name, { all: true })): Lookup {
  const turns = new Semaphore({
    running: lookupLimits.atOnce,
    waiting: lookupLimits.waiting,
    full: () => new DrainFailure('too many host names wait to be looked up'),
  });
  return (name) => turns.run(() => lookup(name));
}
