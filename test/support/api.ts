/** Starts control's API on real sockets and a real database; only the parts that run functions are recorders. */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { WebSocket } from 'ws';
import { apiDocument } from '../../docs/reference.ts';
import { Accounts, type Registration } from '../../src/control/accounts/accounts.ts';
import { Sealer } from '../../src/control/accounts/sealer.ts';
import { type ApiDeps, createApi } from '../../src/control/api/api.ts';
import { hardenServer } from '../../src/control/api/harden.ts';
import { KeptAnswers } from '../../src/control/api/kept-answers.ts';
import type { StreamLimits } from '../../src/control/api/log-reader.ts';
import { attachLogStream, type LogStreams } from '../../src/control/api/log-stream.ts';
import type { NodeRegister } from '../../src/control/api/operations/nodes.ts';
import { AuditLog } from '../../src/control/audit/audit-log.ts';
import { CallStore } from '../../src/control/calls/call-store.ts';
import { Schedules } from '../../src/control/calls/schedules.ts';
import { type DatabaseLocation, openDatabase } from '../../src/control/db/database.ts';
import type { DomainResolver } from '../../src/control/domains/proof.ts';
import { DrainStore } from '../../src/control/drains/drain-store.ts';
import { HandlerAccess } from '../../src/control/handlers/access.ts';
import { HandlerEnv } from '../../src/control/handlers/env.ts';
import { Handlers } from '../../src/control/handlers/handlers.ts';
import { Teams } from '../../src/control/handlers/teams.ts';
import { LogStore } from '../../src/control/logs/log-store.ts';
import { Metrics } from '../../src/control/metrics/metrics.ts';
import { NodeStore } from '../../src/control/nodes/node-store.ts';
import { UsageStore } from '../../src/control/usage/usage-store.ts';
import type { LogFrame, LogLine } from '../../src/protocol/nouns.ts';
import type { Deployer } from '../../src/protocol/ports.ts';
import { TrustedProxies } from '../../src/protocol/trusted-proxies.ts';
import { databaseOf } from './database.ts';
import { ApiDocument } from './documented.ts';
import { testDomains } from './domains.ts';
import { type NamedLine, type NamedWriter, namedWriter } from './named.ts';
import { type TestQueues, testQueues } from './queues.ts';
import { testQuota } from './quotas.ts';

/** Cheap password hashing: its cost is tested elsewhere, and would only take time here. */
const passwordCost = { memory: 64, passes: 1, parallelism: 1 };

export interface Platform extends ApiDeps, NamedWriter {
  /** Publishes texts to a queue of a user (by id). */
  readonly publish: TestQueues['publish'];
  readonly url: string;
  readonly streams: LogStreams;
  /** Requests of the API to the deploy station, as text. */
  readonly asked: string[];
  /** Lines of the platform's own log. */
  readonly logged: string[];
  readonly sealer: Sealer;
  /** Offset that shifts the clock. */
  readonly clock: { ms: number };
  close(): Promise<void>;
}

export async function startPlatform(
  options: {
    readonly registration?: Registration;
    readonly limits?: Partial<StreamLimits>;
    readonly trustedProxies?: TrustedProxies;
    readonly metricsToken?: string;
    readonly quotaBytes?: number;
    /** DNS that custom domains are checked with; absent: a DNS without names. */
    readonly dns?: DomainResolver;
    readonly askToken?: string;
    /** Location of the database; absent: that of databaseOf. */
    readonly location?: DatabaseLocation;
  } = {},
): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-api-'));
  const db = await openDatabase(options.location ?? (await databaseOf(folder)));
  const clock = { ms: 0 };
  const now = () => Date.now() + clock.ms;
  const logged: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) });
  const onError = (error: unknown) => log.error({ err: error }, 'a write failed');
  const logs = await LogStore.open({ db, now, onError });
  const usage = new UsageStore({ db, now, onError });
  const asked: string[] = [];
  const server = createServer();
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sealer = await Sealer.open({ db, keyFile: join(folder, 'env.key'), randomBytes });
  const handlers = new Handlers({ db, now, randomBytes, randomInt });
  const own = testQueues(db, now);
  const deps: ApiDeps = {
    db,
    accounts: new Accounts({
      db,
      now,
      randomBytes,
      registration: options.registration ?? 'open',
      passwordCost,
      sealer,
    }),
    access: new HandlerAccess({ db }),
    teams: new Teams({ db, handlers, now }),
    domains: testDomains({
      db,
      now,
      changed: (domain) => asked.push(`domainChanged ${domain}`),
      ...(options.dns === undefined ? {} : { dns: options.dns }),
    }),
    mayHaveCertificate: async (host) => deps.domains.isServed(host),
    handlers,
    env: new HandlerEnv({ db, sealer, now }),
    logs,
    usage,
    queues: own.queues,
    messages: own.messages,
    calls: new CallStore({ db, now }),
    drains: new DrainStore({ db, sealer, now, newId: randomUUID }),
    isDrainAllowed: (hostPort) => hostPort === '127.0.0.1:9',
    schedules: new Schedules({ db, now, newId: randomUUID }),
    wakeCalls: () => asked.push('calls'),
    deployer: recorder(asked, () => deps.handlers),
    nodes: {
      cancel: (invocation) => void asked.push(`cancel ${invocation}`),
      profile: async (_handler, ms) => {
        asked.push(`profile ${ms}`);
        return { gas: 3, calls: 1, samples: 1, functions: ['main'], nodes: [[-1, 0, 3]] };
      },
    },
    nodeRegister: registerOf(new NodeStore({ db, now, randomBytes })),
    quota: testQuota(db, options.quotaBytes === undefined ? {} : { quotaBytes: options.quotaBytes }),
    audit: new AuditLog({ db, now }),
    keptAnswers: new KeptAnswers({
      db,
      sealer,
      now,
      randomBytes,
      report: (text, error) => log.error({ err: error }, text),
    }),
    metrics: new Metrics({ logs, usage, queues: own.queues, rates: own.rates, nodes: () => [], now }),
    log,
    now,
    randomBytes,
    functionUrl: (name) => `http://${name}.localhost:3003`,
    functionPathUrl: (name) => `http://localhost:3003/${name}/`,
    gitUrl: (name) => `${url()}/${name}.git`,
    serverUrl: url,
    notReady: () => [],
    imports: async () => [{ abi: 'cwa', module: 'cwa', name: 'log_write', params: ['i32', 'i32', 'i32'], results: [] }],
    identity: { platformId: 'p1', bootId: 'b1' },
    version: '0.0.0',
    trustedProxies: options.trustedProxies ?? TrustedProxies.none,
    metricsToken: options.metricsToken ?? null,
    askToken: options.askToken ?? null,
  };
  hardenServer(server);
  server.on('request', createApi(deps).callback());
  const streams = attachLogStream(server, {
    ...deps,
    allowedOrigins: () => [url()],
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...deps,
    publish: own.publish,
    ...namedWriter(db, { logs, usage }),
    url: url(),
    streams,
    asked,
    sealer,
    logged,
    clock,
    async close() {
      streams.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await logs.close();
      await usage.close();
      await db.close();
      await rm(folder, { recursive: true });
    },
  };
}

function recorder(asked: string[], handlers: () => Handlers): Deployer {
  const note = (what: string) => async (id: string) => void asked.push(`${what} ${id}`);
  return {
    rollback: async ({ handlerId, number }) => void asked.push(`rollback ${handlerId} ${number}`),
    environmentChanged: note('environmentChanged'),
    startRollout: async ({ handlerId, number }) => void asked.push(`startRollout ${handlerId} ${number}`),
    rolloutOf: async () => null,
    finishRollout: async ({ handlerId }) => void asked.push(`finishRollout ${handlerId}`),
    abortRollout: async ({ handlerId }) => void asked.push(`abortRollout ${handlerId}`),
    changeDeployBranch: async ({ handlerId, branch }) => handlers().setDeployBranch(handlerId, branch),
    previewDeleted: async ({ handlerId, branch }) => void asked.push(`previewDeleted ${handlerId} ${branch}`),
    handlerChanged: note('handlerChanged'),
    changeSettings: async ({ handlerId }) => void asked.push(`changeSettings ${handlerId}`),
    renameHandler: async ({ handlerId, name }) => void (await handlers().rename(handlerId, name)),
    handlerCreated: note('handlerCreated'),
    domainChanged: note('domainChanged'),
    handlerDeleted: note('handlerDeleted'),
    handlerRestored: note('handlerRestored'),
    handlerPurged: async (id) => {
      asked.push(`handlerPurged ${id}`);
      const handler = await handlers().findById(id);
      if (handler !== null) await handlers().purgeOne(handler, async () => {});
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

const document = new ApiDocument(JSON.parse(JSON.stringify(apiDocument())));

export async function api(
  platform: Platform,
  token: string | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${platform.url}/api/v1${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
  const isJson = /^application\/(?:problem\+)?json$/.test(type);
  const answer = {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text || null,
  };
  // As it was sent: fetch takes out `..`.
  const sent = `/${response.url.slice(platform.url.length).replace(/^\/api\/v1\//, '')}`;
  const faults = document.faultsOf({ method, path: sent, ...answer, type: type || null });
  if (faults.length > 0) throw new Error(`not as the OpenAPI document says: ${faults.join('; ')}`);
  return answer;
}

export async function signUp(platform: Platform, name: string): Promise<string> {
  const { token } = await platform.accounts.signUp({ name, password: 'correct horse', address: '127.0.0.1' });
  return token;
}

export function logLine(handler: string, text: string, more: Partial<NamedLine> = {}): NamedLine {
  return {
    handler,
    deployment: 1,
    invocation: 'i1',
    seq: 1,
    timeMs: 1_700_000_000_000,
    gas: 10,
    stream: 'log',
    level: 6,
    text,
    ...more,
  };
}

/** A log stream whose frames can be awaited. */
export class Reader {
  readonly lines: LogLine[] = [];
  dropped = 0;
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  #wake: () => void = () => {};

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const frame: LogFrame = JSON.parse(String(data));
      this.lines.push(...frame.lines);
      this.dropped += frame.dropped;
      this.#wake();
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      }),
    );
  }

  async until(holds: (reader: this) => boolean): Promise<void> {
    while (!holds(this)) {
      if (this.socket.readyState >= WebSocket.CLOSING) throw new Error('the stream was closed');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export function openStream(
  platform: Platform,
  token: string,
  path: string,
  options: { headers?: Record<string, string>; protocols?: string[] } = {},
): Promise<Reader> {
  const headers = options.headers ?? { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${platform.url.replace('http', 'ws')}/api/v1${path}`, options.protocols ?? [], {
    headers,
  });
  const reader = new Reader(socket);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(reader));
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => reject(Object.assign(new Error(body), { status: response.statusCode })));
    });
  });
}

/** The nodes of a cluster as the database has them; none of them lives. */
function registerOf(store: NodeStore): NodeRegister {
  return {
    list: async () => (await store.list()).map((row) => ({ row, alive: null, revision: 0 })),
    add: async (name) => ({ join: `http://localhost#${(await store.add(name)).token}` }),
    drain: async (name) => void (await store.find(name)),
    remove: async (name) => void (await store.remove(name)),
  };
}
