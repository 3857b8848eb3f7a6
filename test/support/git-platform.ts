/**
 * Starts the git door and all stations behind the door in this process: a real database, real git with the real hooks,
 * real vet children. Only runners are recorded instead of run; test/e2e has real ones.
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Accounts } from '../../src/control/accounts/accounts.ts';
import { Sealer } from '../../src/control/accounts/sealer.ts';
import { ArtifactStore } from '../../src/control/artifacts/artifact-store.ts';
import { DatabaseBlobs } from '../../src/control/artifacts/database-blobs.ts';
import { SharedBlobs } from '../../src/control/artifacts/shared-blobs.ts';
import { AuditLog } from '../../src/control/audit/audit-log.ts';
import { type Database, type DatabaseLocation, openDatabase } from '../../src/control/db/database.ts';
import { Membership } from '../../src/control/db/membership.ts';
import type { RetentionLimits } from '../../src/control/deploy/deployment-retention.ts';
import { Deployments } from '../../src/control/deploy/deployments.ts';
import { LostHomes } from '../../src/control/deploy/lost-homes.ts';
import { LocalReleaseFeed } from '../../src/control/deploy/release-feed.ts';
import { VetPool } from '../../src/control/deploy/vet/vet-pool.ts';
import type { GitEvent } from '../../src/control/git/exchange.ts';
import { Forwarder } from '../../src/control/git/forwarder.ts';
import { createGitDoor, type GitDoor } from '../../src/control/git/git-door.ts';
import { gitEnvironment } from '../../src/control/git/git-environment.ts';
import { HookEndpoint } from '../../src/control/git/hook-endpoint.ts';
import { LeasedHomes } from '../../src/control/git/leased-homes.ts';
import type { GitLimits } from '../../src/control/git/limits.ts';
import { Repositories } from '../../src/control/git/repositories.ts';
import { RepositoryKeeper } from '../../src/control/git/repository-keeper.ts';
import { HandlerAccess } from '../../src/control/handlers/access.ts';
import { HandlerEnv } from '../../src/control/handlers/env.ts';
import { Handlers } from '../../src/control/handlers/handlers.ts';
import { LogStore } from '../../src/control/logs/log-store.ts';
import { databaseMeasures } from '../../src/control/quota/measures.ts';
import type { Quotas } from '../../src/control/quota/quotas.ts';
import type { DeploymentSpec, OwnerState } from '../../src/protocol/messages.ts';
import type { Nodes, NodeView, ReleaseFeed } from '../../src/protocol/ports.ts';
import type { PushReceiver } from '../../src/protocol/push.ts';
import { databaseOf } from './database.ts';
import { type CommandResult, git } from './e2e.ts';
import { storedLines } from './logs.ts';
import { testQuota } from './quotas.ts';

/** Records messages to runners; `refuse` makes the next compilations fail. */
export class RecordedFleet implements Nodes {
  readonly calls: string[] = [];
  readonly specs = new Map<string, DeploymentSpec>();
  /** Maps a label to the number of the served Deployment; 0 for a label with nothing deployed. */
  readonly serving = new Map<string, number>();
  /** Present names by former name. */
  readonly moved = new Map<string, string>();
  /** Suspended and limited users, by id. */
  readonly owners = new Map<string, OwnerState>();
  refuse: Error | null = null;
  /** What `list` returns. */
  nodes: readonly NodeView[] = [];

  constructor(feed: ReleaseFeed) {
    feed.changes((change) => {
      if (change.kind === 'domain') return;
      if (change.kind === 'redirect') this.moved.set(change.label, change.to);
      else if (change.kind !== 'owner') this.moved.delete(change.label);
      if (change.kind === 'owner') this.owners.set(change.owner.ownerId, change.owner);
      else if (change.kind === 'remove' || change.kind === 'redirect') this.serving.delete(change.label);
      else this.serving.set(change.label, change.kind === 'release' ? this.#released(change.spec) : 0);
    });
  }

  async profile(): Promise<never> {
    throw new Error('no runner runs');
  }

  list(): readonly NodeView[] {
    return this.nodes;
  }

  async prepare(spec: DeploymentSpec): Promise<void> {
    this.calls.push(`prepare ${spec.handler} v${spec.number}`);
    if (this.refuse !== null) throw this.refuse;
    this.specs.set(spec.specId, spec);
  }

  async applied(): Promise<void> {}

  cancel(invocation: string): void {
    this.calls.push(`cancel ${invocation}`);
  }

  #released({ specId, handler, number }: DeploymentSpec): number {
    if (!this.specs.has(specId)) throw new Error(`${specId} was never prepared`);
    this.calls.push(`release ${handler} v${number}`);
    return number;
  }

  forget(specId: string): void {
    const spec = this.specs.get(specId);
    this.calls.push(`forget v${spec?.number}`);
    this.specs.delete(specId);
  }

  /** Returns the spec that is served now. */
  specOf(label: string): DeploymentSpec | undefined {
    return [...this.specs.values()].find((spec) => spec.label === label && spec.number === this.serving.get(label));
  }
}

export interface DoorPlatform {
  readonly url: string;
  readonly dataFolder: string;
  readonly db: Database;
  readonly repositories: Repositories;
  readonly artifacts: ArtifactStore;
  readonly deployments: Deployments;
  /** Null without other controls. */
  readonly keeper: RepositoryKeeper | null;
  readonly accounts: Accounts;
  readonly logStore: LogStore;
  readonly handlers: Handlers;
  readonly env: HandlerEnv;
  readonly fleet: RecordedFleet;
  readonly feed: ReleaseFeed;
  readonly vet: VetPool;
  readonly door: GitDoor;
  readonly audit: AuditLog;
  readonly quota: Quotas;
  readonly hooks: HookEndpoint;
  readonly events: GitEvent[];
  readonly reports: string[];
  user(name?: string): Promise<DoorUser>;
  /** Runs `git push`; stderr without trailing blanks. */
  push(user: DoorUser, repo: string, handler: string, ...refs: readonly string[]): Promise<CommandResult>;
  remote(user: DoorUser, handler: string): string;
  logs(handler: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface DoorUser {
  readonly id: string;
  readonly name: string;
  readonly token: string;
}

/** Folder of the hooks that git runs. */
export const platformHooks: string = fileURLToPath(new URL('../../hooks', import.meta.url));

export interface DoorOptions {
  readonly limits?: Partial<GitLimits>;
  /** Data folder of an earlier platform, as after a restart. */
  readonly dataFolder?: string;
  /** Location of the database; absent: that of databaseOf. */
  readonly database?: DatabaseLocation;
  /** Wraps the deploy station for the door. */
  readonly receiver?: (deployments: Deployments) => PushReceiver;
  readonly recover?: boolean;
  readonly quotaBytes?: number;
  readonly retention?: RetentionLimits;
  /** Works beside other controls on the database, with this id. */
  readonly controlId?: string;
  /** Folder of git's hooks; absent: the platform's own. */
  readonly hooksFolder?: string;
}

/** Key by which the controls of tests recognise each other. */
const controlKey = Buffer.alloc(32, 7);

export async function startDoor(options: DoorOptions = {}): Promise<DoorPlatform> {
  const dataFolder = options.dataFolder ?? (await mkdtemp(join(tmpdir(), 'trisiel-door-')));
  const environment = gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder });
  // The library's children get this process's environment, as control's own.
  Object.assign(process.env, environment);
  const db = await openDatabase(options.database ?? (await databaseOf(dataFolder)));
  const now = Date.now;
  const report = (message: string, error: unknown) => {
    reports.push(`${message}: ${error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : error}`);
  };
  const reports: string[] = [];
  const sealer = await Sealer.open({ db, keyFile: join(dataFolder, 'key'), randomBytes });
  const accounts = new Accounts({ db, now, randomBytes, registration: 'open', sealer });
  const handlers = new Handlers({ db, now, randomBytes, randomInt });
  const env = new HandlerEnv({ db, sealer, now });
  const disk = await ArtifactStore.open(join(dataFolder, 'artifacts'));
  const folder = join(dataFolder, 'repos');
  const bootId = randomUUID();
  const elapsedMs = () => performance.now();
  const addressOf = (req: IncomingMessage) => req.socket.remoteAddress ?? '';
  const homes = options.controlId === undefined ? null : new LeasedHomes({ db, self: options.controlId, now });
  const packs = new DatabaseBlobs({ db });
  const keeper =
    homes === null
      ? null
      : await RepositoryKeeper.open({ db, homes, packs, environment, spoolFolder: join(folder, '.packs'), report });
  const artifacts = keeper === null ? disk : new SharedBlobs({ local: disk, shared: packs });
  const forwarder =
    homes === null || keeper === null
      ? null
      : new Forwarder({ homes, keeper, bootId, key: controlKey, addressOf, now: elapsedMs });
  const repositories = await Repositories.open({
    ...{ folder, hooksFolder: options.hooksFolder ?? platformHooks, environment },
    ...(homes === null || keeper === null ? {} : { home: homes, keeper }),
  });
  const logs = await LogStore.open({
    db,
    now,
    onError: (error) => report('log', error),
  });
  const feed = new LocalReleaseFeed({ read: () => deployments.releaseState() });
  const fleet = new RecordedFleet(feed);
  const vet = new VetPool({ cacheFolder: join(tmpdir(), 'trisiel-test-vet-cache') });
  const quota: Quotas = testQuota(db, {
    ...(options.quotaBytes === undefined ? {} : { quotaBytes: options.quotaBytes }),
    measures: {
      ...databaseMeasures(db),
      repositories: async (id) => (repositories.has(id) ? repositories.bytes(id) : null),
      artifacts: (id) => deployments.artifactBytes(id),
    },
    trim: { logs: (id, bytes) => logs.trim(id, bytes), usage: async () => {} },
    report,
  });
  const deployments: Deployments = new Deployments({
    db,
    repositories,
    artifacts,
    vet,
    feed,
    nodes: fleet,
    logs,
    handlers,
    env,
    quota,
    purge: async ({ id }) => logs.removeHandler({ id, name: '' }),
    ...(options.retention === undefined ? {} : { retention: options.retention }),
    ...(keeper === null ? {} : { records: keeper }),
    urlsOf: async (name) => [`http://${name}.localhost:3003`],
    docsUrl: () => 'http://localhost:3002/docs/imports',
    version: '1',
    now,
    randomBytes,
    report,
  });
  keeper?.onTaken((id) => deployments.settleTaken(id));
  if (options.recover !== false) await deployments.recover();
  const hooks = await HookEndpoint.open(join(dataFolder, 'run'));
  const events: GitEvent[] = [];
  const audit = new AuditLog({ db, now: Date.now });
  const door = createGitDoor({
    db,
    repositories,
    hooks,
    receiver: options.receiver?.(deployments) ?? deployments,
    accounts,
    handlerAccess: new HandlerAccess({ db }),
    log: (event) => events.push(event),
    addressOf: (req) => forwarder?.addressOf(req) ?? addressOf(req),
    ...(forwarder === null ? {} : { forwarder }),
    environment: process.env,
    audit,
    now: () => performance.now(),
    limits: options.limits ?? {},
  });
  const server: Server = createServer((req, res) => {
    if (door.handles(req)) door.handle(req, res);
    else res.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const membership =
    options.controlId === undefined
      ? null
      : await Membership.join({
          ...{ db, bootId, url, controlId: options.controlId },
          onReplaced: () => report('membership', 'replaced'),
          onError: (error) => report('membership', error),
        });
  const lostHomes =
    homes === null || keeper === null ? null : new LostHomes({ homes, keeper, store: deployments.store, report });
  lostHomes?.start();
  const remote = (user: DoorUser, handler: string) => {
    const address = new URL(`${url}/${handler}.git`);
    address.username = 'wasmcloud';
    address.password = user.token;
    return address.href;
  };
  return {
    url,
    dataFolder,
    db,
    repositories,
    artifacts: disk,
    deployments,
    keeper,
    accounts,
    logStore: logs,
    handlers,
    env,
    fleet,
    feed,
    vet,
    quota,
    audit,
    door,
    hooks,
    events,
    reports,
    remote,
    user: async (name = `user-${randomBytes(4).toString('hex')}`) => {
      const id = `u${randomBytes(10).toString('hex')}`;
      await db.insertInto('users').values({ id, name, password_hash: 'none', created_ms: now() }).execute();
      const { token } = await accounts.createToken(id, { label: 'test' });
      return { id, name, token };
    },
    push: async (user, repo, handler, ...refs) => {
      const result = await git(repo, 'push', remote(user, handler), ...(refs.length > 0 ? refs : ['main']));
      return { ...result, stderr: result.stderr.replace(/[ \t]+$/gm, '') };
    },
    logs: async (handler) => {
      const found = await db.selectFrom('handlers').select('id').where('name', '=', handler).executeTakeFirstOrThrow();
      return (await storedLines(db, found.id)).map(({ text }) => text);
    },
    close: async () => {
      await deployments.relinking.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await door.idle();
      await lostHomes?.close();
      await keeper?.close();
      await membership?.leave();
      await hooks.close();
      vet.close();
      await quota.close();
      await db.close();
      if (options.dataFolder === undefined) await rm(dataFolder, { recursive: true, force: true });
    },
  };
}
