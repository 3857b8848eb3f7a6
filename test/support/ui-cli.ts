/** Starts control's real API and database on a real socket, and the surroundings of the command line tool. */
import { spawn } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pino from 'pino';
import { Accounts, type Registration } from '../../src/control/accounts/accounts.ts';
import { Sealer } from '../../src/control/accounts/sealer.ts';
import { type ApiDeps, createApi } from '../../src/control/api/api.ts';
import { hardenServer } from '../../src/control/api/harden.ts';
import { KeptAnswers } from '../../src/control/api/kept-answers.ts';
import { attachLogStream } from '../../src/control/api/log-stream.ts';
import { AuditLog } from '../../src/control/audit/audit-log.ts';
import { CallStore } from '../../src/control/calls/call-store.ts';
import { Schedules } from '../../src/control/calls/schedules.ts';
import { type Database, openDatabase } from '../../src/control/db/database.ts';
import { DrainStore } from '../../src/control/drains/drain-store.ts';
import { HandlerAccess } from '../../src/control/handlers/access.ts';
import { HandlerEnv } from '../../src/control/handlers/env.ts';
import { Handlers } from '../../src/control/handlers/handlers.ts';
import { changedSettings, SettingsStore } from '../../src/control/handlers/settings.ts';
import { Teams } from '../../src/control/handlers/teams.ts';
import { LogStore } from '../../src/control/logs/log-store.ts';
import { Metrics } from '../../src/control/metrics/metrics.ts';
import { UsageStore } from '../../src/control/usage/usage-store.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import type { DeploymentState, InvocationRecord, Policy } from '../../src/protocol/nouns.ts';
import type { Deployer } from '../../src/protocol/ports.ts';
import type { RolloutView } from '../../src/protocol/views.ts';
import { TestDns, testDomains } from './domains.ts';
import { type NamedLine, type NamedWriter, namedWriter } from './named.ts';
import { type TestQueues, testQueues } from './queues.ts';
import { testQuota } from './quotas.ts';
import { shellEnvironment } from './shell-environment.ts';

export const root = resolve(import.meta.dirname, '../..');
export const launcher = join(root, 'bin/wasmcloud.js');
let built: Promise<Finished> | undefined;
export const password = 'correct horse';

export interface Control extends ApiDeps, NamedWriter {
  /** Publishes texts to a queue of a user (by id). */
  readonly publish: TestQueues['publish'];
  /** DNS that custom domains are checked with. */
  readonly dns: TestDns;
  readonly url: string;
  readonly port: number;
  /** Folder of this test, removed at the end. */
  readonly folder: string;
  /** Answers requests to functions; a test may replace it. */
  function: RequestListener;
  /** Makes a user and returns a Token. */
  user(name: string): Promise<string>;
  handler(name: string, owner: string): Promise<void>;
  deploy(options: DeployOptions): Promise<void>;
  write(...lines: readonly NamedLine[]): Promise<void>;
  /** Ends all connections and stops listening, but keeps the data; `resume` listens on the same port again. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

interface DeployOptions {
  readonly handler: string;
  readonly user: string;
  readonly number: number;
  readonly state: DeploymentState;
  /** Branch of the preview that it belongs to; its slug is the same. */
  readonly branch?: string;
  readonly policy?: Policy;
  readonly failure?: string;
}

export async function startControl(options: { readonly registration?: Registration } = {}): Promise<Control> {
  const folder = await mkdtemp(join(tmpdir(), 'wasmcloud-test-'));
  const db = await openDatabase({ file: join(folder, 'trisiel.db') });
  const now = () => Date.now();
  const log = pino({ level: 'silent' });
  const onError = (error: unknown) => {
    throw error;
  };
  const logs = await LogStore.open({ db, now, onError });
  const usage = new UsageStore({ db, now, onError });
  const sealer = await Sealer.open({ db, keyFile: join(folder, 'env.key'), randomBytes });
  const accounts = new Accounts({ db, now, randomBytes, registration: options.registration ?? 'open', sealer });
  const handlers = new Handlers({ db, now, randomBytes, randomInt });
  const dns = new TestDns();
  const domains = testDomains({ db, now, dns });
  let port = 0;
  const url = () => `http://127.0.0.1:${port}`;
  const functions = createServer((request, response) => control.function(request, response));
  await listen(functions, 0);
  const own = testQueues(db, now);
  const deps: ApiDeps = {
    db,
    accounts,
    handlers,
    access: new HandlerAccess({ db }),
    teams: new Teams({ db, handlers, now }),
    domains,
    mayHaveCertificate: (host) => domains.isServed(host),
    logs,
    usage,
    queues: own.queues,
    messages: own.messages,
    calls: new CallStore({ db, now }),
    drains: new DrainStore({ db, sealer, now, newId: randomUUID }),
    isDrainAllowed: (hostPort) => hostPort === '127.0.0.1:9',
    schedules: new Schedules({ db, now, newId: randomUUID }),
    wakeCalls: () => {},
    log,
    now,
    randomBytes,
    env: new HandlerEnv({ db, sealer, now }),
    deployer: deployer(db, handlers),
    nodes: {
      cancel: (invocation) => usage.running('r', { started: [], ended: [invocation] }),
      profile: async () => ({
        ...{ gas: 3, calls: 1, samples: 1, functions: ['main', 'parse'] },
        nodes: [
          [-1, 0, 1],
          [0, 1, 2],
        ],
      }),
    },
    quota: testQuota(db),
    audit: new AuditLog({ db, now }),
    keptAnswers: new KeptAnswers({ db, sealer, now, randomBytes, report: (_text, error) => onError(error) }),
    metrics: new Metrics({ logs, usage, queues: own.queues, rates: own.rates, nodes: () => [], now }),
    functionUrl: (name) => `http://${name}.localhost:${portOf(functions)}`,
    functionPathUrl: (name) => `http://localhost:${portOf(functions)}/${name}/`,
    gitUrl: (name) => `${url()}/${name}.git`,
    serverUrl: url,
    notReady: () => [],
    imports: async () => [{ abi: 'cwa', module: 'cwa', name: 'log_write', params: ['i32', 'i32', 'i32'], results: [] }],
    version: '0.0.0',
    identity: { platformId: 'test', bootId: 'boot' },
  };
  const start = async (at: number) => {
    const server = createServer(createApi(deps).callback());
    hardenServer(server);
    const streams = attachLogStream(server, { ...deps, allowedOrigins: () => [url()] });
    await listen(server, at);
    return { server, streams };
  };
  let running: Awaited<ReturnType<typeof start>> | null = await start(0);
  port = portOf(running.server);
  const writer = namedWriter(db, { logs, usage });
  const control: Control = {
    ...deps,
    dns,
    publish: own.publish,
    url: url(),
    port,
    folder,
    function: (_request, response) => response.end('hello\n'),
    user: async (name) => (await accounts.signUp({ name, password, address: '127.0.0.1' })).token,
    handler: async (name, owner) => {
      const user = await db.selectFrom('users').select('id').where('name', '=', owner).executeTakeFirstOrThrow();
      await handlers.create({ name, ownerId: user.id });
    },
    deploy: (deployment) => deploy(db, deployment),
    ...writer,
    write: (...lines) => writer.append(lines),
    pause: async () => {
      running?.streams.close();
      running?.server.closeAllConnections();
      await new Promise((done) => running?.server.close(done));
      running = null;
    },
    resume: async () => {
      running = await start(port);
    },
    close: async () => {
      if (running !== null) await control.pause();
      functions.closeAllConnections();
      await new Promise((done) => functions.close(done));
      await logs.close();
      await usage.close();
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return control;
}

export function line(handler: string, text: string, more: Partial<NamedLine> = {}): NamedLine {
  return {
    handler,
    text,
    deployment: 1,
    invocation: 'a693a7ef22c5-1',
    seq: 1,
    timeMs: Date.now(),
    gas: 11,
    stream: 'log',
    level: 6,
    ...more,
  };
}

export function record(handler: string, id: string, more: Partial<InvocationRecord> = {}): InvocationRecord {
  return {
    id,
    handler,
    deployment: 1,
    startedMs: Date.now(),
    durationMs: 1.2,
    method: 'GET',
    path: '/',
    status: 200,
    outcome: 'ok',
    gas: 1_234,
    memoryPages: 2,
    bytesIn: 0,
    bytesOut: 6,
    syscalls: { log_write: { count: 1, waitMs: 0 } },
    io: { log: { bytesIn: 0, bytesOut: 5 } },
    logLines: 1,
    ...more,
  };
}

/** Writes rows as the deploy station does, without a module. */
async function deploy(db: Database, options: DeployOptions): Promise<void> {
  const { handler, number, state, branch = '', policy = null, failure = null } = options;
  const { id: handlerId } = await db
    .selectFrom('handlers')
    .select('id')
    .where('name', '=', handler)
    .executeTakeFirstOrThrow();
  const user = await db.selectFrom('users').select('id').where('name', '=', options.user).executeTakeFirstOrThrow();
  const sha256 = String(number).padStart(64, '9f2c41ab');
  const artifact = {
    name: `${sha256}-m1`,
    sha256,
    meter_version: 1,
    original_bytes: 184 * 1024 + number,
    bytes: 200 * 1024,
    module: JSON.stringify({ plan: { abis: ['cwa'], imports: [{ module: 'cwa' }] } }),
    created_ms: Date.now(),
  };
  await db
    .insertInto('artifacts')
    .values(artifact)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const id = `d_${handler}_${number}`;
  await db
    .insertInto('deployments')
    .values({
      id,
      number,
      state,
      failure,
      handler_id: handlerId,
      commit: String(number).padStart(40, '3dd7df0a'),
      ref: `refs/heads/${branch || 'main'}`,
      branch,
      user_id: user.id,
      artifact: artifact.name,
      module_path: 'dist/hello.wasm',
      manifest: JSON.stringify({ limits: defaultLimits, policy }),
      vet_ms: 12,
      created_ms: Date.now(),
    })
    .execute();
  await db.updateTable('handlers').set({ deploy_branch: 'main' }).where('id', '=', handlerId).execute();
  if (branch !== '')
    await db
      .insertInto('previews')
      .values({
        id: `p_${handler}_${branch}`,
        handler_id: handlerId,
        branch,
        slug: branch,
        days: 14,
        created_ms: Date.now(),
        pushed_ms: Date.now(),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  if (state === 'live') await release(db, handlerId, id, branch);
}

async function release(db: Database, handlerId: string, deploymentId: string, branch = ''): Promise<void> {
  const changed = { deployment_id: deploymentId, changed_ms: Date.now() };
  await db
    .insertInto('releases')
    .values({ handler_id: handlerId, branch, ...changed })
    .onConflict((conflict) => conflict.columns(['handler_id', 'branch']).doUpdateSet(changed))
    .execute();
}

/** Changes rows as a rollback does; there are no runners. Gradual releases have figures that never change. */
function deployer(db: Database, handlers: Handlers): Deployer {
  const nothing = async () => undefined;
  const rollouts = new Map<string, Pick<RolloutView, 'from' | 'to' | 'percent' | 'startedMs'>>();
  return {
    rollback: async ({ handlerId, number, branch = '' }) => {
      const target = await db
        .selectFrom('deployments')
        .select('id')
        .where('handler_id', '=', handlerId)
        .where('number', '=', number)
        .executeTakeFirst();
      if (target === undefined) throw new PlatformError('not_found', `there is no deployment v${number}`);
      await db
        .updateTable('deployments')
        .set({ state: 'retired' })
        .where('handler_id', '=', handlerId)
        .where('branch', '=', branch)
        .where('state', '=', 'live')
        .execute();
      await db.updateTable('deployments').set({ state: 'live' }).where('id', '=', target.id).execute();
      await release(db, handlerId, target.id, branch);
    },
    environmentChanged: nothing,
    startRollout: async ({ handlerId, number, percent }) => {
      const live = await db
        .selectFrom('deployments')
        .select('number')
        .where('handler_id', '=', handlerId)
        .where('state', '=', 'live')
        .executeTakeFirstOrThrow();
      const known = rollouts.get(handlerId);
      if (number === live.number) throw new PlatformError('conflict', `v${number} is live already`);
      rollouts.set(handlerId, { from: live.number, to: number, percent, startedMs: known?.startedMs ?? Date.now() });
    },
    rolloutOf: async (handlerId) => {
      const known = rollouts.get(handlerId);
      if (known === undefined) return null;
      const figures = {
        from: { invocations: 9_012, failures: 0, meanMs: 12 },
        to: { invocations: 988, failures: 1, meanMs: 9 },
      };
      return { ...known, header: null, errorPercent: 5, figures };
    },
    finishRollout: async ({ handlerId }) => void rollouts.delete(handlerId),
    abortRollout: async ({ handlerId }) => void rollouts.delete(handlerId),
    changeDeployBranch: async ({ handlerId, branch }) => {
      await db.updateTable('handlers').set({ deploy_branch: branch }).where('id', '=', handlerId).execute();
    },
    previewDeleted: async ({ handlerId, branch }) => {
      for (const table of ['releases', 'previews'] as const)
        await db.deleteFrom(table).where('handler_id', '=', handlerId).where('branch', '=', branch).execute();
    },
    handlerChanged: nothing,
    changeSettings: async ({ handlerId, ...change }) => {
      await new SettingsStore({ db }).change(handlerId, (known) => changedSettings(known, change));
    },
    renameHandler: async ({ handlerId, name }) => void (await handlers.rename(handlerId, name)),
    handlerCreated: nothing,
    domainChanged: nothing,
    handlerDeleted: nothing,
    handlerRestored: nothing,
    handlerPurged: async (id) => void (await db.deleteFrom('handlers').where('id', '=', id).execute()),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', done);
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return address.port;
}

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly variables?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
}

/** A separate home folder: config and global git configuration are real files. */
export class Home {
  readonly folder: string;
  readonly server: string;

  private constructor(folder: string, server: string) {
    this.folder = folder;
    this.server = server;
  }

  static async make(control: Pick<Control, 'folder' | 'url'>, name = randomBytes(4).toString('hex')): Promise<Home> {
    const folder = join(control.folder, `home-${name}`);
    await mkdir(join(folder, 'bin'), { recursive: true });
    await symlink(launcher, join(folder, 'bin', 'wasmcloud'));
    return new Home(folder, control.url);
  }

  get variables(): Readonly<Record<string, string>> {
    return shellEnvironment({
      home: this.folder,
      bin: join(this.folder, 'bin'),
      configHome: join(this.folder, 'config'),
      gitConfig: join(this.folder, 'gitconfig'),
      server: this.server,
    });
  }

  /** Runs the bundle, as the launcher does after its checks. */
  async wasmcloud(words: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    built ??= run([process.execPath, launcher, '--version'], { variables: this.variables });
    await built;
    return run([process.execPath, join(root, 'dist/wasmcloud.js'), ...words], {
      ...options,
      variables: { ...this.variables, WASMCLOUD_LAUNCHER: launcher, ...options.variables },
    });
  }

  git(words: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    return run(['git', ...words], { ...options, variables: { ...this.variables, ...options.variables } });
  }
}

export function run(words: readonly string[], options: CommandOptions): Promise<Finished> {
  return new Promise((done, failed) => {
    const [command = '', ...rest] = words;
    const child = spawn(command, rest, { env: { ...options.variables }, cwd: options.cwd ?? root });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', failed);
    child.on('close', (status) => done({ status, stdout, stderr }));
    // A program that does not read its input closes the pipe first.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin ?? '');
  });
}
