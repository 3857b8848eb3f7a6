/** Joins the stations of control. Data goes one way: git door -> deploy -> fleet; fleet -> logs, usage -> API. */

import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { Logger } from 'pino';
import { inUrl, localHost, outerHost } from '../bus/own-address.ts';
import { Accounts } from '../control/accounts/accounts.ts';
import { Sealer } from '../control/accounts/sealer.ts';
import { newId } from '../control/accounts/secrets.ts';
import { createApi } from '../control/api/api.ts';
import { EarlyRequests } from '../control/api/early-requests.ts';
import { hardenServer, serverLimits } from '../control/api/harden.ts';
import { KeptAnswers } from '../control/api/kept-answers.ts';
import { attachLogStream } from '../control/api/log-stream.ts';
import { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import { AuditLog } from '../control/audit/audit-log.ts';
import { CallDeliveries } from '../control/calls/call-deliveries.ts';
import { CallMaker } from '../control/calls/call-maker.ts';
import { CallStore } from '../control/calls/call-store.ts';
import { Schedules } from '../control/calls/schedules.ts';
import { type Database, type DatabaseEvent, openDatabase } from '../control/db/database.ts';
import { HeldLease, leaseLimits } from '../control/db/held-lease.ts';
import { SqlLeases } from '../control/db/leases.ts';
import { Membership } from '../control/db/membership.ts';
import { Deployments } from '../control/deploy/deployments.ts';
import { LostHomes } from '../control/deploy/lost-homes.ts';
import { VetPool } from '../control/deploy/vet/vet-pool.ts';
import { CertificateNames } from '../control/domains/certificate-names.ts';
import { Domains } from '../control/domains/domains.ts';
import { DnsResolver } from '../control/domains/proof.ts';
import { DrainStore } from '../control/drains/drain-store.ts';
import { Drains } from '../control/drains/drains.ts';
import { Forwarder } from '../control/git/forwarder.ts';
import { createGitDoor } from '../control/git/git-door.ts';
import { HookEndpoint } from '../control/git/hook-endpoint.ts';
import { SqlRepoHome } from '../control/git/repo-home.ts';
import { Repositories } from '../control/git/repositories.ts';
import { HandlerAccess } from '../control/handlers/access.ts';
import { HandlerEnv } from '../control/handlers/env.ts';
import { Handlers } from '../control/handlers/handlers.ts';
import { Teams } from '../control/handlers/teams.ts';
import { LogStore } from '../control/logs/log-store.ts';
import { Metrics } from '../control/metrics/metrics.ts';
import { Consumers } from '../control/queues/consumers.ts';
import { Deliveries } from '../control/queues/deliveries.ts';
import { FunctionCaller } from '../control/queues/function-caller.ts';
import { controlLease, LostControls } from '../control/queues/lost-controls.ts';
import { MessageStore } from '../control/queues/message-store.ts';
import { PublishGroups } from '../control/queues/publish-groups.ts';
import { QueueRates } from '../control/queues/queue-rates.ts';
import { QueueStore } from '../control/queues/queue-store.ts';
import { DiskSpace } from '../control/quota/disk-space.ts';
import { databaseMeasures, queueBytes } from '../control/quota/measures.ts';
import { Quotas } from '../control/quota/quotas.ts';
import { KvStore } from '../control/storage/kv-store.ts';
import { SpanExporter } from '../control/traces/span-exporter.ts';
import { UsageStore } from '../control/usage/usage-store.ts';
import { listedFunctions } from '../guest/kernel/abi/all.ts';
import { createEgress } from '../guest/kernel/net/egress.ts';
import { PlatformError } from '../protocol/errors.ts';
import { runnerLimits } from '../protocol/limits.ts';
import type { BusRequest, CallBusRequest } from '../protocol/messages.ts';
import type { ReleaseState } from '../protocol/ports.ts';
import { rolloutLimits } from '../protocol/rollouts.ts';
import { answerRunner } from './answer-runner.ts';
import { clusterServing } from './cluster-serving.ts';
import type { ServerConfig } from './config.ts';
import { readProbeKey } from './data-folder.ts';
import { DataIdentity } from './data-identity.ts';
import { embeddedServing } from './embedded-serving.ts';
import { logFleetEvent } from './fleet-log.ts';
import { FunctionUrls } from './function-urls.ts';
import { joinOthers, readSetting } from './many-controls.ts';
import { programVersion } from './program-version.ts';
import { goOnAlone } from './records-to-disk.ts';
import type { Serving } from './serving.ts';
import { keepBeforeUpgrade } from './upgrade-backup.ts';

const programFolder = fileURLToPath(new URL('../../', import.meta.url));
/** Milliseconds between two removals of handlers deleted long ago and of expired counters. */
const housekeepingMs = 60 * 60_000;

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
  const now = Date.now;
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
  const identity = DataIdentity.read(config.dataFolder, config.database);
  const db = await openDatabase({
    ...identity.location(config.database),
    onEvent: (event) => logDatabaseEvent(log, event),
    beforeUpgrade: async (last) => {
      const kept = await keepBeforeUpgrade({ dataFolder: config.dataFolder, databaseUrl: config.database, last, now });
      log.info({ kept }, 'the database is of an earlier version: it was backed up and is brought up to date now');
    },
  });
  const platformId = await readSetting(db, 'platform_id', randomUUID);
  await identity.bind(platformId);
  const lease = await takeFolderLease(db, identity, log);
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
  const queues = new QueueStore({ db, now, newId: () => newId('q', randomBytes) });
  const rates = new QueueRates({ db, now, report });
  const messages = new MessageStore({
    db,
    queues,
    now,
    newId: () => newId('m', randomBytes),
    onPublished: (queueId, count) => {
      rates.count(queueId, 'published', count);
      consumers.wake(queueId);
    },
  });
  const probeKey = readProbeKey(data('runner.key'));
  const functionCaller = () => new FunctionCaller({ target: () => serving.target(), domain: config.domain });
  const groups = new PublishGroups(async (ownerId, queue, group) => {
    const bytes = group.reduce((sum, { body }) => sum + body.length, 0);
    await quota.publishing(ownerId, bytes, () => messages.publish(ownerId, queue, group));
  });
  const taker = { controlId: identity.controlId, bootId };
  const deliveries = new Deliveries({ db, now, random: Math.random });
  const consumers: Consumers = new Consumers({
    db,
    queues,
    publish: (ownerId, queue, message) => groups.publish(ownerId, queue, message),
    count: (queueId, event, count) => rates.count(queueId, event, count),
    taker,
    deliveries,
    caller: functionCaller(),
    now,
    report,
  });
  const calls = new CallStore({ db, now });
  const callDeliveries = new CallDeliveries({ db, now, random: Math.random });
  const schedules = new Schedules({ db, now, newId: () => newId('c', randomBytes) });
  const callMaker = new CallMaker({
    calls: callDeliveries,
    schedules,
    caller: functionCaller(),
    taker,
    now,
    onStored: (handlerId, bytes) => quota.grew(handlerId, 'usage', bytes),
    report,
  });
  const drainStore = new DrainStore({ db, sealer, now, newId: () => newId('d', randomBytes) });
  const lostControls = new LostControls({
    db,
    controlId: identity.controlId,
    elapsedMs: () => performance.now(),
    giveUp: [deliveries, callDeliveries].map((store) => (trx, controlId) => store.giveUp(trx, controlId)),
    onLost: (controlId, givenUp) =>
      log.warn({ controlId, givenUp }, 'another control has ended: what it had taken is done again'),
    report,
  });
  const disk = await ArtifactStore.open(data('artifacts'));
  const many = db.isShared
    ? await joinOthers({
        db,
        self: identity.controlId,
        disk,
        dataFolder: config.dataFolder,
        gitEnvironment,
        now,
        report,
      })
    : null;
  if (many === null)
    await goOnAlone({ db, folder: config.dataFolder, environment: gitEnvironment, controlId: identity.controlId });
  const artifacts = many?.artifacts ?? disk;
  const repositories = await Repositories.open({
    folder: data('repos'),
    hooksFolder: join(programFolder, 'hooks'),
    environment: gitEnvironment,
    ...(many === null
      ? { home: new SqlRepoHome({ db, self: identity.controlId, now }) }
      : { home: many.homes, keeper: many.keeper }),
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
    now: () => performance.now(),
    report,
  });
  const vet = new VetPool({ cacheFolder: data('vet-cache') });
  const hooks = await HookEndpoint.open(data('run'));

  const server = createServer({ connectionsCheckingInterval: serverLimits.checkMs });
  hardenServer(server, { trustedProxies: config.trustedProxies });
  const early = new EarlyRequests(server);
  const { port } = await listen(server, config.host, config.port);
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
    answerRunner(request, { kv, groups, handlers, quota, calls, wakeCalls: () => callMaker.wake() });
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
      : await clusterServing({
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
    places: () => serving.places(),
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
    now,
    randomBytes,
    report,
  });
  const ownHosts = [serverUrl, config.runUrl].flatMap((url) => (url === null ? [] : [new URL(url).hostname]));
  const domains = new Domains({
    db,
    resolver: new DnsResolver(config.dnsServers),
    base: config.domain,
    ownHosts,
    now,
    newToken: () => Buffer.from(randomBytes(16)).toString('hex'),
    changed: (domain) => deployments.domainChanged(domain),
    report,
  });
  const certificateNames = new CertificateNames({ db, domains, base: config.domain, ownHosts });
  many?.keeper.onTaken((id) => deployments.settleTaken(id));
  const clientOf = (req: IncomingMessage): string =>
    config.trustedProxies.clientOf(req.socket.remoteAddress, req.headers).address;
  const elapsedMs = (): number => performance.now();
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
  const metrics = new Metrics({ logs, usage, queues, rates, nodes: () => serving.nodes.list(), spans, now });
  const drains = new Drains({
    store: drainStore,
    logs,
    egress: createEgress({ allow: config.drainAllow, ownPorts: [port], allowedBy: 'TRISIEL_DRAIN_ALLOW' }),
    leases: new SqlLeases({ db }),
    holder: bootId,
    hostName: config.domain === 'localhost' ? hostname() : config.domain,
    now,
    random: Math.random,
    report,
  });
  const drainAllowed = new Set(config.drainAllow);
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
    drains: drainStore,
    isDrainAllowed: (hostPort) => drainAllowed.has(hostPort),
    wakeCalls: () => callMaker.wake(),
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
    imports: listedFunctions.map(({ module, name, abi, signatures }) => ({
      module,
      name,
      abi,
      params: signatures[0]?.params ?? [],
      results: signatures[0]?.results ?? [],
    })),
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
  early.answer((req, res) => {
    if (serving.handles(req)) serving.handle(req, res);
    else if (door.handles(req)) door.handle(req, res);
    else void api(req, res);
  });
  if (many !== null)
    membership = await Membership.join({
      ...{ db, bootId, controlId: identity.controlId },
      url: internalUrl,
      onReplaced: () => log.fatal('another control has the id of this data folder: stop one of them'),
      onError: (error) => report('other controls could not be told that this one is alive', error),
    });
  await serving.start();
  isStarted = true;
  rates.start();
  consumers.start();
  callMaker.start();
  domains.start();
  drains.start();
  // A database of its own has no other controls.
  if (db.isShared) lostControls.start();
  lostHomes?.start();
  const shareOld = async (): Promise<void> => {
    const shared = (await many?.artifacts.share(await deployments.usedContents())) ?? 0;
    if (shared > 0) log.info({ shared }, 'artifacts of an earlier version can now be read by all controls');
    // Records what an earlier version, or a move from SQLite, left on this disk alone.
    for (const id of (await many?.homes.unrecorded()) ?? [])
      await repositories
        .create(id)
        .catch((error: unknown) => report(`the repository ${id} could not be stored for all controls`, error));
  };
  const sharing = shareOld().catch((error: unknown) =>
    report('what only this disk has could not be stored for all controls', error),
  );
  const measured = quota.measureAll();

  const housekeeping = setInterval(() => {
    void quota
      .deleting(async () => {
        await Promise.all([
          deployments.purgeDeleted(),
          usage.prune(),
          logs.prune(),
          queues.prune(),
          callDeliveries.prune(),
          audit.prune(),
          keptAnswers.prune(),
          serving.prune(),
          many?.homes.prune(),
        ]);
        await deployments.maintain();
      })
      .then(() => quota.measureAll())
      .catch((error: unknown) => report('housekeeping failed', error));
  }, housekeepingMs);

  const judging = setInterval(() => {
    void deployments.judgeRollouts().catch((error: unknown) => report('gradual releases could not be judged', error));
  }, rolloutLimits.lookMs);

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
    clearInterval(housekeeping);
    clearInterval(judging);
    metrics.close();
    server.close();
    streams.close();
    server.closeIdleConnections();
    await lostControls.close();
    await domains.close();
    await lostHomes?.close();
    await drains.close();
    await Promise.all([
      consumers.close(runnerLimits.drainMs),
      callMaker.close(runnerLimits.drainMs),
      withinMs(runnerLimits.drainMs, door.idle()),
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
    await db.close();
  }
}

/**
 * Takes the lease of this data folder. Throws `unavailable` when a control with a copy of the folder holds the lease:
 * both controls would take the folder's repositories for their own.
 */
async function takeFolderLease(db: Database, identity: DataIdentity, log: Logger): Promise<HeldLease> {
  const lease = await HeldLease.take({
    leases: new SqlLeases({ db }),
    name: `${controlLease}${identity.controlId}`,
    holder: identity.holder,
    ...(db.isShared ? { renewMs: leaseLimits.watchedRenewMs } : {}),
    onLost: () => log.fatal('another control works with a copy of this data folder: stop one of them'),
    onError: (error) => log.error({ err: error }, 'the lease of the data folder could not be renewed'),
  });
  if (lease !== null) return lease;
  throw new PlatformError('unavailable', 'another control works with a copy of this data folder', {
    hints: ['stop that one, wait 15 s, and start again', 'or choose an empty folder with TRISIEL_DATA'],
  });
}

function logDatabaseEvent(log: Logger, event: DatabaseEvent): void {
  if (event.kind === 'failed') log.error({ err: event.error }, `database: ${event.what} failed`);
  else log.info('the database file is rewritten once, so that it can shrink from now on');
}

async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const problem =
      code === 'EADDRINUSE' ? `port ${port} on ${host} is in use` : `cannot listen on ${host}:${port} (${code})`;
    throw new PlatformError('unavailable', problem, {
      hints: ['stop what uses it, or choose another with TRISIEL_HOST and TRISIEL_PORT (0 takes any free port)'],
      cause: error,
    });
  }
  return server.address() as AddressInfo;
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
