/**
 * `trisiel node`: runs one node of a cluster in the foreground. Prints one line on stdout when it serves; its log goes
 * to stderr as JSON lines. SIGTERM: leaves its runners to the next start, exits 0. SIGINT, a second SIGTERM, and a
 * drain: lets the runners finish, and ends them.
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { isLoopback } from '../bus/own-address.ts';
import { decodeBundle } from '../control/deploy/file-bundle.ts';
import { suggestMigration } from '../control/fleet/connection-migration.ts';
import { runnerReads } from '../control/fleet/runner-process.ts';
import { openTraceExporter, SpanExporter } from '../control/traces/span-exporter.ts';
import { NodeAgent } from '../node/agent.ts';
import { PlatformError } from '../protocol/errors.ts';
import { programVersion } from '../protocol/program-version.ts';
import { complain, settingsOfStart } from './command.ts';
import { readNodeConfig } from './config.ts';
import { takeDataFolder } from './data-folder.ts';
import { logFleetEvent } from './fleet-log.ts';
import { serviceLog } from './service-log.ts';
import { ServiceManager } from './service-manager.ts';

const log = serviceLog();

await main().catch((error: unknown) => {
  if (error instanceof PlatformError) complain(error);
  else log.fatal({ err: error }, 'the node could not start');
  process.exit(1);
});

async function main(): Promise<void> {
  const config = readNodeConfig(settingsOfStart(log));
  const { join, nats, url, labels } = config;
  const programFolder = fileURLToPath(new URL('../../', import.meta.url));
  const folder = takeDataFolder({
    path: config.dataFolder,
    readableByGuests: runnerReads.map((path) => `${programFolder}${path}`),
  });
  process.on('exit', () => folder.release());
  const report = (message: string, error: unknown): void => log.error({ err: error }, message);
  if (url === null && isLoopback(config.host) && !join.urls.every((one) => isLoopback(new URL(one).hostname)))
    log.warn(
      { host: config.host },
      'TRISIEL_HOST lets only this machine reach the functions: controls on other machines cannot call them for queues ' +
        'and schedules, and a proxy elsewhere cannot either; set it to an address of this machine, or to 0.0.0.0',
    );
  const spans =
    config.traces === null
      ? null
      : new SpanExporter(await openTraceExporter(), {
          resource: {
            'service.version': programVersion,
            'service.instance.id': randomUUID(),
            ...config.traces.resource,
          },
          version: programVersion,
          report,
        });
  const manager = ServiceManager.find({
    env: { ...process.env },
    onError: (error) => report('systemd cannot be told how the node is', error),
  });
  // Children inherit the environment: they need no token, no secrets of the receiver of traces, and no way to systemd.
  for (const name of Object.keys(process.env))
    if (/^(?:TRISIEL|OTEL)_|^(?:NOTIFY_SOCKET|CREDENTIALS_DIRECTORY)$/.test(name)) delete process.env[name];

  const agent = new NodeAgent({
    ...{ join, nats, url, labels, programFolder },
    dataFolder: folder.path,
    ...{ host: config.host, port: config.runPort, runners: config.runners },
    ...{ egressAllow: config.egressAllow, trustedProxies: config.trustedProxies },
    traces:
      config.traces === null || spans === null
        ? null
        : { sampling: config.traces.sampling, take: (some, dropped) => spans.take(some, dropped) },
    version: programVersion,
    decodeBundle,
    onEvent: (event) => logFleetEvent(log, event),
    report,
  });
  suggestMigration(log);
  const starting = agent.start();
  let isStopping = false;
  const stop = (runners: 'end' | 'stay', status: number): void => {
    const isSecond = isStopping;
    isStopping = true;
    if (!isSecond) manager?.stopping();
    if (isSecond && runners === 'stay') return;
    // Stops during start-up too: runners of an earlier start must not be left behind.
    starting
      .then(() => agent.stop({ runners, graceMs: config.graceS * 1_000 }))
      .then(() => spans?.close())
      .then(
        () => process.exit(status),
        (error: unknown) => {
          log.fatal({ err: error }, 'stopping failed');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', () => stop(isStopping || process.pid === 1 ? 'end' : 'stay', 0));
  process.on('SIGINT', () => stop('end', 0));
  void agent.ended.then((reason) => {
    log.warn({ reason }, endings[reason]);
    stop('end', reason === 'drained' ? 0 : 1);
  });

  try {
    await starting;
  } catch (error) {
    await agent.abandon();
    throw error;
  }
  if (isStopping) return;
  manager?.ready();
  process.stdout.write(`ready node=${agent.name} id=${agent.id} run=${agent.url}\n`);
}

const endings = {
  drained: 'this node is drained: its calls are finished, then it ends',
  removed: 'this node has been removed from the cluster, and ends',
  replaced: 'another process has joined with the token of this node: this one ends',
  'cut off': 'this node has reached neither NATS nor a control for an hour, and ends',
} as const;
