/**
 * The API as a Koa app. A request passes: id and headers -> error boundary -> authentication -> route -> body ->
 * operation. No byte of a body is read before the caller is known.
 */
import Router from '@koa/router';
import Koa from 'koa';
import type { Logger } from 'pino';
import { type ErrorCode, PlatformError, toProblem } from '../../protocol/errors.ts';
import type { Deployer, Nodes } from '../../protocol/ports.ts';
import { TrustedProxies } from '../../protocol/trusted-proxies.ts';
import { KeyedMutex } from '../../waiting/keyed-mutex.ts';
import { LogRate } from '../../waiting/log-rate.ts';
import type { Accounts } from '../accounts/accounts.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { CallStore } from '../calls/call-store.ts';
import type { Schedules } from '../calls/schedules.ts';
import type { Database } from '../db/database.ts';
import { isOutage } from '../db/sql-error.ts';
import type { Domains } from '../domains/domains.ts';
import type { DrainStore } from '../drains/drain-store.ts';
import type { HandlerAccess } from '../handlers/access.ts';
import type { HandlerEnv } from '../handlers/env.ts';
import type { Handlers } from '../handlers/handlers.ts';
import type { Teams } from '../handlers/teams.ts';
import { HandlerViews } from '../handlers/views.ts';
import type { LogStore } from '../logs/log-store.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { MessageStore } from '../queues/message-store.ts';
import type { QueueStore } from '../queues/queue-store.ts';
import type { Quotas } from '../quota/quotas.ts';
import type { UsageStore } from '../usage/usage-store.ts';
import { type AuditedCall, auditDone, auditFailed } from './audited.ts';
import { authenticate } from './authenticate.ts';
import { bodyLimits, readJson } from './body.ts';
import { checkedPieces } from './checked-pieces.ts';
import { compressed } from './compression.ts';
import { answerEarly } from './early-answer.ts';
import { sendPage, wantsPage } from './html.ts';
import { type KeptAnswers, type KeyedRequest, readKey } from './kept-answers.ts';
import { openApiDocument } from './openapi.ts';
import { type Caller, type Operation, StreamedAnswer } from './operation.ts';
import { accountOperations } from './operations/accounts.ts';
import { auditOperations } from './operations/audit.ts';
import { domainOperations } from './operations/domains.ts';
import { drainOperations } from './operations/drains.ts';
import { envOperations } from './operations/env.ts';
import { handlerOperations } from './operations/handlers.ts';
import { type NodeRegister, nodeOperations } from './operations/nodes.ts';
import { profileOperations } from './operations/profiles.ts';
import { queueOperations } from './operations/queues.ts';
import { recordOperations } from './operations/records.ts';
import { rolloutOperations } from './operations/rollouts.ts';
import { scheduleOperations } from './operations/schedules.ts';
import { teamOperations } from './operations/teams.ts';
import { userOperations } from './operations/users.ts';
import { nothingHere, type PlatformIdentity, type ProvidedImport, pages, problemPage } from './pages.ts';
import { answersAsRead, checkIfMatch, etagOf, namesEtag, prefersMinimal, readerOf } from './representation.ts';
import { type TlsAskOptions, tlsAsk } from './tls-ask.ts';

export interface ApiDeps extends TlsAskOptions {
  readonly db: Database;
  readonly accounts: Accounts;
  readonly handlers: Handlers;
  readonly access: HandlerAccess;
  readonly teams: Teams;
  readonly domains: Domains;
  readonly env: HandlerEnv;
  readonly logs: LogStore;
  readonly usage: UsageStore;
  readonly queues: QueueStore;
  readonly messages: MessageStore;
  readonly schedules: Schedules;
  readonly calls: CallStore;
  readonly drains: DrainStore;
  /** Returns whether drains may reach host:port although it is private. */
  readonly isDrainAllowed: (hostPort: string) => boolean;
  /** Tells the call maker that a call waits. */
  readonly wakeCalls: () => void;
  readonly deployer: Deployer;
  readonly nodes: Pick<Nodes, 'cancel' | 'profile'>;
  /** Nodes of the cluster; absent or null: the runners are on this machine. */
  readonly nodeRegister?: NodeRegister | null;
  readonly quota: Quotas;
  readonly audit: AuditLog;
  readonly keptAnswers: KeptAnswers;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Clock, in Unix milliseconds. */
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  /** Returns the URL of a function. The URLs are known once the ports listen. */
  readonly functionUrl: (name: string) => string;
  readonly functionPathUrl: (name: string) => string;
  readonly gitUrl: (name: string) => string;
  /** Returns the public base URL of the API. */
  readonly serverUrl: () => string;
  /** Returns the reasons for which the platform cannot serve at the moment; empty when it can. */
  readonly notReady: () => readonly string[];
  /** Returns the functions that guests may import; it is asked when somebody wants to see them. */
  readonly imports: () => Promise<readonly ProvidedImport[]>;
  readonly identity: PlatformIdentity;
  readonly version: string;
  /** Trusted proxies in front of the server. Absent: none, and the caller's address is that of the socket. */
  readonly trustedProxies?: TrustedProxies;
  /** Bearer token that readers of /metrics must send. Absent or null: only clients on this machine may read them. */
  readonly metricsToken?: string | null;
}

interface State {
  requestId: string;
  caller: Caller | null;
  /** Id of the operation, for metrics. */
  operation: string;
}

type Context = Koa.ParameterizedContext<State>;

const prefix = '/api/v1';
const unwritten = 'an audit entry could not be written';

export const apiLimits = {
  /**
   * Requests of one user that are answered at the same time. An answer may hold a few MiB until its reader has taken
   * it.
   */
  perUser: 32,
} as const;
export const requestIdHeader = 'trisiel-request';
/** Set on an answer that was kept for an Idempotency-Key. */
const replayedHeader = 'idempotent-replayed';

/**
 * Makes the app for all requests but those of git and WebSockets: the git door stands before it, log-stream.ts beside
 * it.
 */
export function createApi(deps: ApiDeps): Koa<State> {
  const operations = apiOperations(deps);
  const app = new Koa<State>();
  // Silences Koa's own reports on stderr: the boundary below has logged the error.
  app.silent = true;
  app.use(observed(deps));
  app.use(boundary(deps));
  app.use(whoIsIt(deps, operations));
  app.use(tlsAsk(deps).routes());
  app.use(pages({ ...deps, addresses: deps }).routes());
  const router = routes(operations, deps);
  app.use(router.routes());
  app.use(async (ctx) => {
    const allowed = operations.filter(({ path }) => pathPattern(path).test(ctx.path)).map(({ method }) => method);
    if (allowed.length === 0) throw nothingHere(ctx, deps);
    ctx.set('allow', allowed.join(', '));
    throw new PlatformError('method_not_allowed', `this path takes ${allowed.join(', ')}`);
  });
  return app;
}

/** Returns all operations, in the order of the OpenAPI document. */
export function apiOperations(deps: ApiDeps): readonly Operation[] {
  const views = new HandlerViews(deps);
  return [
    ...accountOperations(deps),
    ...handlerOperations({ ...deps, views }),
    ...envOperations(deps),
    ...domainOperations(deps),
    ...rolloutOperations(deps),
    ...teamOperations({ ...deps, views }),
    ...recordOperations(deps),
    ...queueOperations(deps),
    ...scheduleOperations(deps),
    ...userOperations(deps),
    ...nodeOperations(deps),
    ...drainOperations(deps),
    ...profileOperations(deps),
    ...auditOperations(deps),
  ];
}

function observed(deps: ApiDeps): Koa.Middleware<State> {
  const { trustedProxies = TrustedProxies.none } = deps;
  return async (ctx, next) => {
    const startedMs = performance.now();
    ctx.request.ip = trustedProxies.clientOf(ctx.req.socket.remoteAddress, ctx.req.headers).address;
    ctx.state.requestId = newId('q', deps.randomBytes);
    ctx.state.caller = null;
    ctx.state.operation = 'none';
    ctx.set({
      [requestIdHeader]: ctx.state.requestId,
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    await next();
    if (!ctx.req.complete) {
      if (typeof ctx.body === 'string' && ctx.method !== 'HEAD') {
        ctx.respond = false;
        answerEarly(ctx.req, ctx.res, ctx.body);
      } else ctx.set('connection', 'close');
    }
    const seconds = (performance.now() - startedMs) / 1000;
    deps.metrics.observe({ operation: ctx.state.operation, status: ctx.status, seconds });
    deps.log.debug({
      request: ctx.state.requestId,
      operation: ctx.state.operation,
      user: callerName(ctx.state),
      status: ctx.status,
      ms: Math.round(seconds * 1000),
    });
  };
}

function isApi(path: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

/**
 * Returns whether a status of 500 and above is the client's own doing: a full quota, or more at once than is taken. A
 * client that goes on asking must not fill the platform's log with failures.
 */
function isOfClient(code: ErrorCode): boolean {
  return code === 'storage_full' || code === 'overloaded';
}

/** Failures of one code that the platform's log has in a second; the next one has the number of those left out. */
const failuresLogged = { most: 20, windowMs: 1_000 } as const;

/** Turns errors of inner layers into problem documents: the only place that decides what an outsider sees. */
function boundary(deps: ApiDeps): Koa.Middleware<State> {
  const rates = new Map<ErrorCode, LogRate>();
  const rateOf = (code: ErrorCode): LogRate => {
    const rate = rates.get(code) ?? new LogRate({ ...failuresLogged, nowMs: () => performance.now() });
    rates.set(code, rate);
    return rate;
  };
  return async (ctx, next) => {
    try {
      await next();
    } catch (thrown) {
      const error = isOutage(thrown)
        ? new PlatformError('unavailable', 'the database cannot be written at the moment; nothing was changed', {
            retryAfterSeconds: 5,
            cause: thrown,
          })
        : thrown;
      const problem = toProblem(error, ctx.state.requestId);
      // Logs refused credentials for operators who watch for guessing. What was tried is left out: a mistyped name is
      // often a password.
      const { code, status, detail } = problem;
      const isWatched = code === 'unauthorized' || code === 'rate_limited';
      const unreported = isWatched || (status >= 500 && !isOfClient(code)) ? rateOf(code).take() : 0;
      const request = { request: ctx.state.requestId, ...(unreported ? { unreported } : {}) };
      if (isOfClient(code)) deps.log.debug({ ...request, code }, 'refused');
      else if (isWatched && unreported !== null) deps.log.info({ ...request, address: ctx.ip, code }, 'refused');
      else if (status >= 500 && unreported !== null)
        deps.log.error({ ...request, operation: ctx.state.operation, err: thrown }, detail);
      ctx.status = problem.status;
      if (!isApi(ctx.path) && wantsPage(ctx)) sendPage(ctx, problemPage(problem));
      else {
        ctx.body = JSON.stringify(problem);
        ctx.type = 'application/problem+json';
      }
      if (problem.status === 401) ctx.set('www-authenticate', 'Bearer realm="trisiel"');
      if (error instanceof PlatformError && error.retryAfterSeconds !== undefined)
        ctx.set('retry-after', String(error.retryAfterSeconds));
    }
  };
}

/**
 * Finds the caller of a request below /api/v1, and counts the caller's requests. Without a Token only listed operations
 * are open; an unknown path is answered 401 as well.
 */
function whoIsIt(deps: ApiDeps, operations: readonly Operation[]): Koa.Middleware<State> {
  const open = new Set(
    operations.filter(({ access }) => access === 'anyone').map(({ method, path }) => `${method} ${prefix}${path}`),
  );
  open.add(`GET ${prefix}/openapi.json`).add(`HEAD ${prefix}/openapi.json`);
  const running = new Map<string, number>();
  return async (ctx, next) => {
    if (!isApi(ctx.path) || open.has(`${ctx.method} ${ctx.path}`)) return next();
    const caller = await authenticate(deps.accounts, ctx.headers.authorization);
    ctx.state.caller = caller;
    const theirs = running.get(caller.user.id) ?? 0;
    if (theirs >= apiLimits.perUser)
      throw new PlatformError('rate_limited', `at most ${apiLimits.perUser} requests at once`, {
        retryAfterSeconds: 1,
      });
    running.set(caller.user.id, theirs + 1);
    // draft-ietf-httpapi-ratelimit-headers: the number of concurrent requests is limited, so there is no time to wait
    // for.
    ctx.set('ratelimit-policy', `"user";q=${apiLimits.perUser};qu="concurrent-requests"`);
    ctx.set('ratelimit', `"user";r=${apiLimits.perUser - theirs - 1}`);
    // Ends the count when the answer has gone out or the connection has closed.
    ctx.res.once('close', () => {
      const left = (running.get(caller.user.id) ?? 1) - 1;
      if (left === 0) running.delete(caller.user.id);
      else running.set(caller.user.id, left);
    });
    await next();
  };
}

function routes(operations: readonly Operation[], deps: ApiDeps): Router<State> {
  const router = new Router<State>({ prefix, sensitive: true, strict: true });
  // Makes the document once: it is open to everybody and costs some milliseconds.
  let document: string | null = null;
  router.get('/openapi.json', (ctx) => {
    ctx.state.operation = 'openapi';
    document ??= JSON.stringify(openApiDocument({ operations, version: deps.version, serverUrl: deps.serverUrl() }));
    ctx.type = 'application/json';
    ctx.body = document;
  });
  const changes = new KeyedMutex();
  for (const operation of operations)
    router.register(operation.path.replaceAll(/\{(\w+)\}/g, ':$1'), [operation.method], (ctx) =>
      answer({ operation, reader: readerOf(operation, operations), changes }, deps, ctx),
    );
  return router;
}

async function answer(
  {
    operation,
    reader,
    changes,
  }: { readonly operation: Operation; readonly reader: Operation | null; readonly changes: KeyedMutex },
  deps: Pick<ApiDeps, 'access' | 'accounts' | 'audit' | 'handlers' | 'keptAnswers' | 'log'>,
  ctx: Context & { readonly params: Readonly<Record<string, string>> },
): Promise<void> {
  const { access } = deps;
  ctx.state.operation = operation.id;
  const { caller: before } = ctx.state;
  const body =
    operation.bodyTypes === null
      ? await readJson(ctx.req, before === null ? bodyLimits.stranger : bodyLimits.user)
      : {};
  // A body may take half a minute to come. A Token that was revoked meanwhile is good for nothing any more.
  const hasWaited = before !== null && operation.body !== null;
  const callerNow = async () => (before === null ? null : authenticate(deps.accounts, ctx.headers.authorization));
  const caller = hasWaited ? await callerNow() : before;
  const query = { ...ctx.query };
  const address = ctx.ip;
  let handler: AuditedCall['handler'] = null;
  const told = () => ({ operation, caller, address, params: ctx.params, query, body, handler });
  const call = { caller, callerNow, access, address, params: ctx.params, request: ctx.req };
  const run = async (): Promise<unknown> => {
    const ifMatch = ctx.get('if-match');
    if (reader !== null && ifMatch !== '')
      await checkIfMatch(ifMatch, () => reader.run({ ...call, query: {}, body: {}, onHandler: () => {} }));
    return operation.run({
      ...{ ...call, query, body },
      onHandler: (found) => {
        handler = found;
      },
    });
  };
  const runAudited = async (): Promise<unknown> => {
    // Runs changes of one path one after the other, so that no change of this control comes between the check of
    // If-Match and the change.
    const result = await (reader === null ? run() : changes.run(ctx.path, run)).catch(async (error: unknown) => {
      // The caller is told the failure itself, not a failure to record it.
      await auditFailed(deps, told(), error).catch((cause: unknown) => deps.log.error({ err: cause }, unwritten));
      throw error;
    });
    // Writes the entry before the answer goes out: a client that has its answer finds the entry.
    await auditDone(deps, told(), result);
    return result;
  };
  const keyed = keyedRequest(operation, ctx, { query, body });
  const { result, isKept } =
    keyed === null ? { result: await runAudited(), isKept: false } : await deps.keptAnswers.once(keyed, runAudited);
  if (isKept) ctx.set(replayedHeader, 'true');
  ctx.status = operation.status;
  if (result instanceof StreamedAnswer) {
    ctx.type = result.type;
    // A download takes as long as its reader likes. What gave the right to it may end before.
    const stillAllowed = async () =>
      operation.check({ ...call, caller: await callerNow(), query, body, onHandler: () => {} }, handler?.id ?? null);
    ctx.body = compressed(ctx, checkedPieces(result.stream, stillAllowed));
    return;
  }
  if (operation.answer === null) return;
  const json = JSON.stringify(result);
  if (operation.method === 'GET' || answersAsRead(operation, reader)) ctx.set('etag', etagOf(json));
  if (operation.method === 'GET' && namesEtag(ctx.get('if-none-match'), etagOf(json))) {
    ctx.status = 304;
    return;
  }
  if (answersAsRead(operation, reader) && prefersMinimal(ctx.get('prefer'))) {
    ctx.status = 204;
    ctx.set('preference-applied', 'return=minimal');
    return;
  }
  ctx.type = 'application/json';
  ctx.body = json;
}

/**
 * Returns what makes a POST with an Idempotency-Key happen once; null for every other request, and for an operation
 * that reads its body itself. Throws `bad_request` for a key that cannot be one, and without a Token: keys belong to
 * users.
 */
function keyedRequest(
  { id, method, bodyTypes }: Operation,
  ctx: Context,
  asked: { readonly query: unknown; readonly body: unknown },
): KeyedRequest | null {
  const field = ctx.get('idempotency-key');
  if (method !== 'POST' || bodyTypes !== null || field === '') return null;
  const { caller } = ctx.state;
  if (caller === null)
    throw new PlatformError('bad_request', 'Idempotency-Key is for requests with a Token', {
      hints: ['a second sign-up with the same name is refused by itself; a second log-in does no harm'],
    });
  // The Token too: one that may do less must not be told what another one was.
  const request = { id, path: ctx.path, ...asked, token: caller.tokenId };
  return { userId: caller.user.id, key: readKey(field), request };
}

/** Returns the caller's name. A separate function, because in its caller TypeScript still infers the earlier null. */
function callerName({ caller }: State): string | undefined {
  return caller?.user.name;
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${prefix}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}
