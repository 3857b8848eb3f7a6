/** Joins the parts that hand log lines on to receivers outside. */
import { hostname } from 'node:os';
import type { Sealer } from '../control/accounts/sealer.ts';
import { newId, type RandomBytes } from '../control/accounts/secrets.ts';
import type { Database } from '../control/db/database.ts';
import { SqlLeases } from '../control/db/leases.ts';
import { DrainStore } from '../control/drains/drain-store.ts';
import { Drains } from '../control/drains/drains.ts';
import { queuedLookup } from '../control/drains/lookup.ts';
import type { LogStore } from '../control/logs/log-store.ts';
import { createEgress } from '../guest/kernel/net/egress.ts';

export interface DrainStationOptions {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly logs: LogStore;
  readonly bootId: string;
  /** Addresses (`host:port`) of receivers that are allowed beyond public ones. */
  readonly allow: readonly string[];
  /** Domain of the functions; receivers are told it as the name of the host, or the machine's name for `localhost`. */
  readonly domain: string;
  /** Port of this control, which no drain may send to. */
  readonly controlPort: number;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  readonly report: (message: string, error: unknown) => void;
}

export interface DrainStation {
  readonly store: DrainStore;
  readonly sender: Drains;
  /** Whether the operator has allowed an address (`host:port`). */
  readonly isAllowed: (hostPort: string) => boolean;
}

export function drainStation(options: DrainStationOptions): DrainStation {
  const { db, sealer, logs, bootId, allow, domain, controlPort, now, randomBytes, report } = options;
  const store = new DrainStore({ db, sealer, now, newId: () => newId('d', randomBytes) });
  const allowed = new Set(allow);
  const sender = new Drains({
    store,
    logs,
    egress: createEgress({ allow, ownPorts: [controlPort], allowedBy: 'TRISIEL_DRAIN_ALLOW', lookup: queuedLookup() }),
    leases: new SqlLeases({ db }),
    holder: bootId,
    hostName: domain === 'localhost' ? hostname() : domain,
    now,
    random: Math.random,
    report,
  });
  return { store, sender, isAllowed: (hostPort) => allowed.has(hostPort) };
}
