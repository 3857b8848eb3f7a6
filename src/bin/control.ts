/** Joins the stations of control. Data goes one way: git door -> deploy -> fleet; fleet -> logs, usage -> API. */

import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { Logger } from 'pino';
import { inUrl, localHost, outerHost } from '../bus/own-address.ts';
import { Accounts } from '../control/accounts/accounts.ts';
import { Sealer } from '../control/accounts/sealer.ts';
import { createApi } from '../control/api/api.ts';
import { withValidHeads } from '../control/api/harden.ts';
import { KeptAnswers } from '../control/api/kept-answers.ts';
import { attachLogStream } from '../control/api/log-stream.ts';
import { AuditLog } from '../control/audit/audit-log.ts';
import { Membership } from '../control/db/membership.ts';
import { Deployments } from '../control/deploy/deployments.ts';
import { LostHomes } from '../control/deploy/lost-homes.ts';
import { VetPool } from '../control/deploy/vet/vet-pool.ts';
import { suggestMigration } from '../control/fleet/connection-migration.ts';
import { Forwarder } from '../control/git/forwarder.ts';
import { createGitDoor } from '../control/git/git-door.ts';
import { HookEndpoint } from '../control/git/hook-endpoint.ts';
import { HandlerAccess } from '../control/handlers/access.ts';
import { HandlerEnv } from '../control/handlers/env.ts';
import { Handlers } from '../control/handlers/handlers.ts';
import { Teams } from '../control/handlers/teams.ts';
import { LogStore } from '../control/logs/log-store.ts';
import { Metrics } from '../control/metrics/metrics.ts';
import { DiskSpace } from '../control/quota/disk-space.ts';
import { databaseMeasures, queueBytes } from '../control/quota/measures.ts';
import { Quotas } from '../control/quota/quotas.ts';
import { KvStore } from '../control/storage/kv-store.ts';
import { SpanExporter } from '../control/traces/span-exporter.ts';
import { UsageStore } from '../control/usage/usage-store.ts';
import { runnerLimits } from '../protocol/limits.ts';
import type { BusRequest, CallBusRequest } from '../protocol/messages.ts';
import type { ReleaseState } from '../protocol/ports.ts';
import { programVersion } from '../protocol/program-version.ts';
import { answerRunner } from './answer-runner.ts';
import type { ServerConfig } from './config.ts';
import { openContents } from './contents.ts';
import { openControlServer } from './control-server.ts';
import { readProbeKey } from './data-folder.ts';
import { deliveryStations } from './delivery-stations.ts';
import { domainStation } from './domain-station.ts';
import { drainStation } from './drain-station.ts';
import { embeddedServing } from './embedded-serving.ts';
import { logFleetEvent } from './fleet-log.ts';
import { FunctionUrls } from './function-urls.ts';
import { startHousekeeping } from './housekeeping.ts';
import { shareOld } from './many-controls.ts';
import { openOwnDatabase } from './own-database.ts';
import { readImports } from './read-imports.ts';
import type { Serving } from './serving.ts';

const programFolder = fileURLToPath(new URL('../../', import.meta.url));

export interface Control {
  readonly controlUrl: string;
  readonly runUrl: string;
  /** Code that the first account's sign-up needs; null when an account exists, or when sign-up is open to everybody. */
  readonly firstCode: string | null;
  /**
   * Finishes the work of API and git (at most runnerLimits.drainMs), then resolves. `runners`: `end` lets runners
   * finish and ends them too; `stay` leaves them to the next control. A second call with `end` overrules the first.
   */
  stop(options: { readonly runners: 'stay' | 'end' }): Promise<void>;
}

export interface ControlOptions {
  readonly config: ServerConfig;
  /** Environment of git and its hooks; process.env holds the same variables. */
  readonly gitEnvironment: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** Exporter of traces, made while the environment still had its settings; null: no traces. */
  readonly traceExporter: OTLPTraceExporter | null;
}

/** Resolves when both ports serve. Throws PlatformError where a folder or port cannot be used. */
export async function startControl({ config, gitEnvironment, log, traceExporter }: ControlOptions): Promise<Control> {
  const data = (name: string): string => join(config.dataFolder, name);
  const report = (message: string, error: unknown): void => log.error({ err: error }, message);
  const bootId = randomUUID();

  if (config.url !== null && config.trustedProxies.isEmpty)
    log.warn(
      'TRISIEL_URL is set, TRISIEL_TRUSTED_PROXIES is not: behind a proxy all clients seem to have one address, ' +
        'and share its limits on connections and log-ins',
    );
  if (config.cluster !== null && config.traces !== null)
    log.warn('this control runs no functions, so it sends no traces: OTEL_… is set where `trisiel node` is started');
  const elapsedMs = (): number => performance.now();
  const { identity, db, clock, platformId, lease } = await openOwnDatabase({ config, log, elapsedMs, report });
  const { now } = clock;
  const sealer = await Sealer.open({ db, keyFile: data('env.key'), randomBytes });
  const accounts = new Accounts({ db, now, randomBytes, registration: config.registration, sealer });
  const handlers = new Handlers({ db, now, randomBytes, randomInt });
  const access = new HandlerAccess({ db });
  const teams = new Teams({ db, handlers, now });
  const env = new HandlerEnv({ db, sealer, now });
  const logs: LogStore = await LogStore.open({
    db,
    now,
    onError: (error) => report('log lines were lost', error),
    retainedDays: config.logDays,
    retainedBytes: config.logBytes,
    onMoving: () =>
      log.info('log lines of an earlier version are packed into blocks: this can take some minutes, once'),
    onGrown: (handlerId, bytes) => quota.grew(handlerId, 'logs', bytes),
  });
  const usage = new UsageStore({
    db,
    now,
    onError: (error) => report('usage could not be stored', error),
    onGrown: (handlerId, bytes) => quota.grew(handlerId, 'usage', bytes),
  });
  const audit = new AuditLog({ db, now });
  const keptAnswers = new KeptAnswers({ db, sealer, now, randomBytes, report });
  const kv = new KvStore({ db, now });
  const delivery = deliveryStations({
    ...{ db, controlId: identity.controlId, bootId, domain: config.domain, now, randomBytes, report },
    quota: () => quota,
    serving: () => serving,
    onLost: (controlId, givenUp) =>
      log.warn({ controlId, givenUp }, 'another control has ended: what it had taken is done again'),
  });
  const { queues, messages, rates, groups, calls, schedules } = delivery;
  const probeKey = readProbeKey(data('runner.key'));
  const { many, artifacts, repositories } = await openContents({
    ...{ db, gitEnvironment, now, report },
    dataFolder: config.dataFolder,
    controlId: identity.controlId,
    hooksFolder: join(programFolder, 'hooks'),
  });
  const quota: Quotas = new Quotas({
    db,
    quotaBytes: config.quotaBytes,
    measures: {
      ...databaseMeasures(db),
      repositories: async (handlerId) => (repositories.has(handlerId) ? repositories.bytes(handlerId) : null),
      artifacts: (handlerId) => deployments.artifactBytes(handlerId),
    },
    queueBytes: (userId) => queueBytes(db, userId),
    disk: await DiskSpace.open({
      folder: config.dataFolder,
      reserveFile: data('reserve'),
      onError: (error) => report('the disk could not be looked at', error),
    }),
    trim: {
      logs: (handlerId, bytes) => logs.trim(handlerId, bytes),
      usage: (handlerId, bytes) => usage.trim(handlerId, bytes),
    },
    now: elapsedMs,
    report,
  });
  const vet = new VetPool({ cacheFolder: data('vet-cache') });
  const hooks = await HookEndpoint.open(data('run'));

  const { server, early, port } = await openControlServer(config);
  const controlUrl = `http://${inUrl(localHost(config.host))}:${port}`;
  /** URL at which nodes and other controls reach this one. */
  const internalUrl = config.internalUrl ?? `http://${inUrl(outerHost(config.host))}:${port}`;
  const serverUrl = config.url ?? controlUrl;
  const urls = new FunctionUrls({ runUrl: () => config.runUrl ?? serving.runUrl(), now });
  const docsUrl = (): string => `${serverUrl}/docs/imports`;

  const spans =
    config.traces === null || traceExporter === null
      ? null
      : new SpanExporter(traceExporter, {
          resource: { 'service.version': programVersion, 'service.instance.id': bootId, ...config.traces.resource },
          version: programVersion,
          report,
        });
  let recorded: Promise<void> = Promise.resolve();
  const read = (): Promise<ReleaseState> => deployments.releaseState();
  const onRequest = (request: BusRequest | CallBusRequest): Promise<Uint8Array | null> =>
    answerRunner(request, { kv, groups, handlers, quota, calls, wakeCalls: () => delivery.wakeCalls() });
  const embedded = (): Serving =>
    embeddedServing({
      runners: config.runners,
      program: join(programFolder, 'src/bin/runner.ts'),
      programFolder,
      platformId,
      probeKey,
      bootId,
      host: config.host,
      port: config.runPort,
      domain: config.domain,
      runUrl: config.runUrl,
      controlUrl,
      egressAllow: config.egressAllow,
      trustedProxies: config.trustedProxies,
      ownPorts: [port],
      recordFile: data('runners.json'),
      spoolFolder: data('spool'),
      read,
      reachableHost: localHost(config.host),
      readArtifact: (name) => artifacts.get(name),
      lastCallMs: () => usage.lastCallMs(),
      // Usage records are written before log lines: a reader of an invocation's last line finds its record.
      onLogs: (lines, dropped, id) => recorded.then(() => logs.append(lines, dropped, id)),
      onBlocks: (blocks, dropped, id) => recorded.then(() => logs.appendBlocks(blocks, dropped, id)),
      onUsage: (records, counts) => {
        recorded = usage.record({ records, counts });
        return recorded;
      },
      traces: config.traces?.sampling ?? null,
      ...(spans === null ? {} : { onSpans: (some, dropped) => spans.take(some, dropped) }),
      onRunning: (runnerId, change) => usage.running(runnerId, change),
      onRequest,
      onEvent: (event) => logFleetEvent(log, event),
    });
  const serving: Serving =
    config.cluster === null
      ? embedded()
      : await (await import('./cluster-serving.ts')).clusterServing({
          ...config.cluster,
          internalUrl,
          ...{ db, sealer, now, randomBytes, platformId, artifacts, logs, usage, onRequest, read, report },
          controlId: identity.controlId,
          domain: config.domain,
          runUrl: config.runUrl,
          runPort: config.runPort,
          egressAllow: config.egressAllow,
          onNode: (event, nodeId) => log.info({ nodeId }, event === 'lives' ? 'a node lives' : 'a node is silent'),
        });
  const deployments: Deployments = new Deployments({
    db,
    repositories,
    artifacts,
    vet,
    feed: serving.releases,
    nodes: serving.nodes,
    places: (placed) => serving.places(placed),
    logs,
    handlers,
    env,
    quota,
    ...(many === null ? {} : { records: many.keeper }),
    purge: async (handler) => {
      await logs.removeHandler(handler);
      await usage.removeHandler(handler);
    },
    urlsOf: (name) => urls.told(name),
    docsUrl,
    version: programVersion,
    now,
    randomBytes,
    report,
  });
  const { domains, certificateNames } = domainStation({
    ...{ db, config, serverUrl, now, randomBytes, report },
    changed: (domain) => deployments.domainChanged(domain),
  });
  many?.keeper.onTaken((id) => deployments.settleTaken(id));
  const clientOf = (req: IncomingMessage): string =>
    config.trustedProxies.clientOf(req.socket.remoteAddress, req.headers).address;
  const forwarder = many === null ? null : new Forwarder({ ...many, bootId, addressOf: clientOf, now: elapsedMs });
  const door = createGitDoor({
    db,
    repositories,
    hooks,
    receiver: deployments,
    handlerAccess: access,
    accounts,
    addressOf: (req) => forwarder?.addressOf(req) ?? clientOf(req),
    ...(forwarder === null ? {} : { forwarder }),
    environment: process.env,
    audit,
    // The logger prints an error's message and stack only under the key `err`.
    log: (event) =>
      log.warn(
        event.kind === 'failed' ? { kind: event.kind, url: event.url, err: event.error } : event,
        `git: ${event.kind}`,
      ),
    now: elapsedMs,
  });
  accounts.users.onChanged(async (owner) => {
    quota.changed(owner.ownerId);
    await serving.nodes.applied(await serving.releases.owner(owner));
  });
  const drains = drainStation({
    ...{ db, sealer, logs, bootId, now, randomBytes, report },
    allow: config.drainAllow,
    domain: config.domain,
    controlPort: port,
  });
  const metrics = new Metrics({
    ...{ logs, usage, queues, rates, spans, now, drains: drains.sender.counts },
    nodes: () => serving.nodes.list(),
  });
  let isStarted = false;
  let membership: Membership | null = null;
  const lostHomes = many === null ? null : new LostHomes({ ...many, store: deployments.store, report });
  const api = createApi({
    db,
    accounts,
    handlers,
    access,
    teams,
    domains,
    mayHaveCertificate: (host) => certificateNames.has(host),
    askToken: config.askToken,
    env,
    logs,
    usage,
    queues,
    messages,
    schedules,
    calls,
    drains: drains.store,
    isDrainAllowed: drains.isAllowed,
    wakeCalls: () => delivery.wakeCalls(),
    deployer: deployments,
    nodes: serving.nodes,
    nodeRegister: serving.register,
    quota,
    audit,
    keptAnswers,
    metrics,
    log,
    now,
    randomBytes,
    functionUrl: (name) => urls.byHost(name),
    functionPathUrl: (name) => urls.byPath(name),
    gitUrl: (name) => `${serverUrl}/${name}.git`,
    serverUrl: () => serverUrl,
    notReady: () => [
      ...(isStarted ? [] : ['the platform is starting']),
      ...(serving.nodes.list().some(({ isServing }) => isServing) ? [] : ['no runner serves']),
      ...(lease.isHeld && membership?.isHeld !== false
        ? []
        : ['another control works with a copy of this data folder']),
    ],
    identity: { platformId, bootId },
    imports: readImports,
    version: programVersion,
    trustedProxies: config.trustedProxies,
    metricsToken: config.metricsToken,
  }).callback();
  const streams = attachLogStream(server, {
    accounts,
    handlers,
    access,
    teams,
    logs,
    log,
    randomBytes,
    allowedOrigins: () => [new URL(serverUrl).origin],
  });

  // Settles interrupted deployments before a push or a runner can ask about them.
  await deployments.recover();
  early.answer(
    withValidHeads((req, res) => {
      if (serving.handles(req)) serving.handle(req, res);
      else if (door.handles(req)) door.handle(req, res);
      else void api(req, res);
    }),
  );
  if (many !== null)
    membership = await Membership.join({
      ...{ db, bootId, controlId: identity.controlId },
      url: internalUrl,
      onReplaced: () => log.fatal('another control has the id of this data folder: stop one of them'),
      onError: (error) => report('other controls could not be told that this one is alive', error),
    });
  await serving.start();
  if (config.cluster === null && config.url !== null) suggestMigration(log);
  isStarted = true;
  delivery.start();
  domains.start();
  drains.sender.start();
  lostHomes?.start();
  deployments.relinking.start();
  const sharing =
    many === null
      ? null
      : shareOld({ many, repositories, usedContents: () => deployments.usedContents(), log, report });
  const measured = quota.measureAll();

  const housekeeping = startHousekeeping({
    quota,
    deployments,
    report,
    prune: () =>
      Promise.all([
        deployments.purgeDeleted(),
        usage.prune(),
        logs.prune(),
        delivery.prune(),
        audit.prune(),
        keptAnswers.prune(),
        serving.prune(),
        many?.homes.prune(),
      ]),
  });

  let stopped: Promise<void> | null = null;
  return {
    controlUrl,
    runUrl: serving.readyUrl(),
    firstCode: config.registration === 'open' ? null : await accounts.firstAccountCode(),
    stop({ runners }) {
      if (runners === 'end') serving.end();
      stopped ??= stop();
      return stopped;
    },
  };

  async function stop(): Promise<void> {
    housekeeping.close();
    metrics.close();
    server.close();
    streams.close();
    server.closeIdleConnections();
    await delivery.leave();
    await domains.close();
    await lostHomes?.close();
    await drains.sender.close();
    await Promise.all([
      delivery.close(runnerLimits.drainMs),
      withinMs(runnerLimits.drainMs, door.idle()),
      withinMs(runnerLimits.drainMs, deployments.relinking.close()),
    ]);
    // Others take the repositories over at once.
    await many?.keeper.close();
    await membership?.leave();
    await serving.leave(config.graceS * 1_000);
    server.closeAllConnections();
    await rates.close();
    await hooks.close();
    vet.close();
    await quota.close();
    await measured;
    await sharing;
    await logs.close();
    await usage.close();
    await lease.close();
    await spans?.close();
    await clock.close();
    await db.close();
  }
}

/** Resolves when `work` has resolved, or after `ms` milliseconds. Rejects as `work` does. */
async function withinMs(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}
