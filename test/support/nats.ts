/** Real nats-servers for tests, in temporary folders. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { freePort } from '../../src/bin/free-port.ts';
import { type NatsServer, startNats, whyNoNats } from '../../src/bin/nats-server.ts';
import { postgresMissing } from './postgres.ts';

/** Why no cluster can be started here; null: one can. */
export const clusterMissing: string | null = postgresMissing ?? whyNoNats();

/** Runs tests that need PostgreSQL and NATS. Without them the tests skip and print why. */
export function onCluster(title: string, tests: () => void): void {
  if (clusterMissing !== null) process.stderr.write(`skipped: ${title}: ${clusterMissing}\n`);
  describe.skipIf(clusterMissing !== null)(title, tests);
}

/** A server of a cluster, or several as one. */
export type ClusterNats = Omit<NatsServer, 'pause' | 'resume'>;

/** Several servers, which go on while more than half of them live. */
export interface NatsServers extends ClusterNats {
  readonly servers: readonly NatsServer[];
}

/** Starts three servers that keep copies of each stream; the addresses name all of them. */
export async function threeNats(): Promise<NatsServers> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-nats-'));
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const servers = await Promise.all(
    ports.map((port, index) =>
      startNats(join(folder, String(index)), {
        name: `nats-${index}`,
        ports: [port, ...ports.filter((other) => other !== port)],
      }),
    ),
  );
  const all = async (work: (server: NatsServer) => Promise<void>): Promise<void> => {
    await Promise.all(servers.map(work));
  };
  return {
    servers,
    port: servers[0]?.port ?? 0,
    url: servers.map(({ url }) => url).join(','),
    nodeUrl: servers.map(({ nodeUrl }) => nodeUrl).join(','),
    kill: () => all((server) => server.kill()),
    start: (options) => all((server) => server.start(options)),
    close: () => all((server) => server.close()),
  };
}

export async function temporaryNats(): Promise<NatsServer> {
  return startNats(join(await mkdtemp(join(tmpdir(), 'trisiel-nats-')), 'nats'));
}
