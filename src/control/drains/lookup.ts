/**
 * Looks up the names of receivers. Users choose the names, and so the name servers: one that hangs must not hold up the
 * names of others. So names are asked for over the network, each with its own time, and no thread waits meanwhile. Only
 * names that the network does not know go to the system, a few at a time: those of a search domain, for instance.
 */
import { lookup as dnsLookup, Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { Lookup } from '../../guest/kernel/net/egress.ts';
import { Semaphore } from '../../waiting/semaphore.ts';
import { drainBatch } from './drains.ts';
import { DrainFailure } from './failure.ts';

export const lookupLimits = {
  /**
   * Names that the system looks up at a time. getaddrinfo holds one of the four pool threads of the process, for
   * seconds if the name server is slow, and files and compression need these threads.
   */
  atOnce: 2,
  /** Names that wait for that, one for each drain that sends. A name waits on when its drain has given up. */
  waiting: drainBatch.running,
  /** Milliseconds for one question, and how often it is asked: together less than a drain's exchange may take. */
  questionMs: 2_500,
  tries: 2,
  /** Bytes of the file of hosts. */
  hostsBytes: 1024 * 1024,
} as const;

export interface LookupSources {
  /** Asks the system. Default: getaddrinfo. */
  readonly system?: Lookup;
  /**
   * Returns all addresses that name servers give; rejects with the code of Node's dns. Default: those of the system.
   */
  readonly network?: Lookup;
  /** Returns the text of the file of hosts. Default: /etc/hosts. */
  readonly hosts?: () => Promise<string>;
}

/** Answers of name servers that say that a name, or an address of it, does not exist. */
const unknownCodes = new Set(['ENOTFOUND', 'ENODATA']);

/**
 * Returns a lookup that asks the file of hosts, then name servers, and the system for names that neither knows. It
 * rejects with DrainFailure if `lookupLimits.waiting` names wait for the system already, and as its sources do.
 */
export function queuedLookup(sources: LookupSources = {}): Lookup {
  const {
    system = (name) => dnsLookup(name, { all: true }),
    network = askNetwork,
    hosts = () => readFile('/etc/hosts', 'utf8'),
  } = sources;
  const turns = new Semaphore({
    running: lookupLimits.atOnce,
    waiting: lookupLimits.waiting,
    full: () => new DrainFailure('too many host names wait to be looked up'),
  });
  return async (name) => {
    const listed = addressesIn(await hosts().catch(() => ''), name);
    if (listed.length > 0) return listed;
    try {
      return await network(name);
    } catch (error) {
      if (!unknownCodes.has(String((error as { code?: unknown }).code))) throw error; // only read
    }
    return turns.run(() => system(name));
  };
}

/** Asks for addresses of both families; one that is missing counts as none. */
async function askNetwork(name: string): ReturnType<Lookup> {
  const { questionMs: timeout, tries } = lookupLimits;
  const resolver = new Resolver({ timeout, tries });
  const settled = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const found = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (found.length > 0) return found.map((address) => ({ address }));
  // What a resolver rejects with: an Error.
  const failures = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as { code?: unknown }] : []));
  // A name server that hangs says more than one that does not know.
  throw failures.find(({ code }) => !unknownCodes.has(String(code))) ?? failures[0];
}

/** Returns the addresses of `name` in a file of hosts (hosts(5)). */
function addressesIn(file: string, name: string): readonly { readonly address: string }[] {
  const wanted = name.toLowerCase().replace(/\.$/, '');
  if (file.length > lookupLimits.hostsBytes) return [];
  return file.split('\n').flatMap((text) => {
    const [address, ...names] = text.replace(/#.*/s, '').trim().split(/\s+/);
    const isListed = address !== undefined && names.some((one) => one.toLowerCase() === wanted);
    return isListed ? [{ address }] : [];
  });
}
