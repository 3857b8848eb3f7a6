/** Real nats-servers for tests, in temporary folders. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { type NatsServer, type NatsServers, startNats, startThreeNats, whyNoNats } from '../../src/bin/nats-server.ts';
import { postgresMissing } from './postgres.ts';

/** Why no cluster can be started here; null: one can. */
export const clusterMissing: string | null = postgresMissing ?? whyNoNats();

/** Runs tests that need PostgreSQL and NATS. Without them the tests skip and print why. */
export function onCluster(title: string, tests: () => void): void {
  if (clusterMissing !== null) process.stderr.write(`skipped: ${title}: ${clusterMissing}\n`);
  describe.skipIf(clusterMissing !== null)(title, tests);
}

/** Three servers with copies of each stream. */
export async function threeNats(): Promise<NatsServers> {
  return startThreeNats(join(await mkdtemp(join(tmpdir(), 'trisiel-nats-')), 'nats'));
}

export async function temporaryNats(): Promise<NatsServer> {
  return startNats(join(await mkdtemp(join(tmpdir(), 'trisiel-nats-')), 'nats'));
}
