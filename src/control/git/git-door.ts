/**
 * Answers all HTTP requests of git. The door stands before node-git-server and passes on only requests that are
 * authenticated, authorised and whole.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, PlatformError } from '../../protocol/errors.ts';
import type { PushReceiver } from '../../protocol/push.ts';
import { Turnstile } from '../../waiting/turnstile.ts';
import { RateLimiter } from '../accounts/rate-limiter.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { Access, type AccessOptions, type GitHandler } from './access.ts';
import { attend, type Exchange, type GitEvent, isOurFailure, sendError, sendResult } from './exchange.ts';
import type { Forwarder } from './forwarder.ts';
import { GitBody } from './git-body.ts';
import { GitProcess } from './git-process.ts';
import { isGitUrl, parseGitUrl, protocolOf } from './git-url.ts';
import type { HookEndpoint } from './hook-endpoint.ts';
import { advertise, type GitVersion, serve } from './library.ts';
import { type GitLimits, gitLimits } from './limits.ts';
import { PackSpool } from './pack-spool.ts';
import { flushPkt, pktLine } from './pkt-line.ts';
import { PushExchange } from './push-exchange.ts';
import type { Repositories } from './repositories.ts';
import { StoppedUploads } from './stopped-uploads.ts';

export interface GitDoorDeps extends AccessOptions {
  readonly repositories: Repositories;
  readonly hooks: HookEndpoint;
  readonly receiver: PushReceiver;
  /** Gets an entry for each push that has moved refs. */
  readonly audit: Pick<AuditLog, 'write'>;
  /** Takes events for the platform's own log; they never contain a token. */
  readonly log: (event: GitEvent) => void;
  /** process.env, which git processes of the library inherit. */
  readonly environment: Record<string, string | undefined>;
  readonly limits?: Partial<GitLimits>;
  /** Passes requests on to the control that holds the repository; absent: this control holds all. */
  readonly forwarder?: Forwarder;
}

export interface GitDoor {
  /** Returns whether the door answers this request; then no other part may. */
  handles(req: IncomingMessage): boolean;
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Resolves when no push or fetch is running. */
  idle(): Promise<void>;
}

export function createGitDoor(deps: GitDoorDeps): GitDoor {
  const door = new Door(deps);
  return {
    handles: (req) => isGitUrl(req.url ?? ''),
    handle: (req, res) => door.handle(req, res),
    idle: () => door.idle(),
  };
}

class Door {
  readonly #deps: GitDoorDeps;
  readonly #limits: GitLimits;
  readonly #access: Access;
  /** Turns of fetches and advertisements. Pushes have turns of their own, so that neither kind blocks the other. */
  readonly #turnstile: Turnstile;
  readonly #pushTurnstile: Turnstile;
  readonly #receiving: Turnstile;
  readonly #spool: PackSpool;
  readonly #stopped: StoppedUploads;
  readonly #rates: RateLimiter;
  readonly #running = new Set<Promise<void>>();

  constructor(deps: GitDoorDeps) {
    this.#deps = deps;
    this.#limits = { ...gitLimits, ...deps.limits };
    this.#access = new Access(deps);
    const { pushOperations, receiving, receivingPerUser } = this.#limits;
    this.#turnstile = new Turnstile(this.#limits);
    this.#pushTurnstile = new Turnstile({ ...this.#limits, operations: pushOperations });
    const noWaiting = { waiting: 0, waitingPerUser: 0, waitingPerRepository: 0, turnMs: 0 };
    this.#receiving = new Turnstile({ operations: receiving, operationsPerUser: receivingPerUser, ...noWaiting });
    this.#spool = new PackSpool(deps.repositories.spoolFolder, this.#limits);
    this.#stopped = new StoppedUploads(deps.now);
    this.#rates = new RateLimiter(this.#limits.pushes, deps.now);
  }

  handle(req: IncomingMessage, res: ServerResponse): void {
    req.on('error', ignore);
    res.on('error', ignore);
    const running = this.#answer(req, res).catch((error: unknown) => this.#refuse(req, res, error));
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.#deps.forwarder?.check(req);
    // Authenticates before anything else: without a valid token even the existence of a handler stays hidden.
    const actor = await this.#access.authenticate(req);
    const route = parseGitUrl(req.method ?? '', req.url ?? '');
    if (route === null)
      throw new PlatformError('not_found', 'no such repository', {
        hints: ['the URL of a handler named swift-otter ends in /swift-otter.git'],
      });
    const gone = new AbortController();
    res.once('close', () => {
      if (!res.writableFinished) gone.abort();
    });
    const exchange: Exchange = { route, actor, user: actor.user, req, res, client: gone.signal };
    if (route.service === 'receive-pack') {
      // Null: the push may create the handler.
      const handler = await this.#access.pusher(route, actor);
      if (handler !== null && (await this.#isForwarded(exchange, handler))) return;
      if (route.kind === 'advertise') await this.#advertise(exchange, handler);
      else await this.#push(exchange);
    } else {
      const handler = await this.#access.reader(route, actor);
      if (await this.#isForwarded(exchange, handler)) return;
      if (route.kind === 'advertise') await this.#advertise(exchange, handler);
      else await this.#fetch(exchange, handler);
    }
  }

  /** Passes a request on if another control holds the repository. Returns whether it is answered. */
  async #isForwarded(exchange: Exchange, { id }: GitHandler): Promise<boolean> {
    return (await this.#deps.forwarder?.forward(exchange, id)) ?? false;
  }

  async #advertise(exchange: Exchange, handler: GitHandler | null): Promise<void> {
    const { route, res } = exchange;
    const { repositories } = this.#deps;
    const repository = handler === null ? repositories.emptyPath : await repositories.create(handler.id);
    const version = this.#versionOf(exchange);
    await this.#withGit(exchange, repository, () =>
      advertise({ version, repository, service: route.service, response: res }),
    );
  }

  async #fetch(exchange: Exchange, handler: GitHandler): Promise<void> {
    const { req, res } = exchange;
    const body = await GitBody.open(req, { ...this.#limits, bytes: this.#limits.fetchBytes });
    const head = await body.readAll(this.#limits.commandsMs);
    if (head.length === 0 || head.equals(flushPkt)) {
      sendResult(exchange, 'upload-pack', Buffer.alloc(0), this.#limits.lingerMs);
      return;
    }
    const version = this.#versionOf(exchange);
    const request = version.protocol === 'version=2' ? fetchV2(head) : fetchV0(head);
    const repository = await this.#deps.repositories.create(handler.id);
    const ended = this.#endOfRight(exchange, handler);
    try {
      await this.#withGit({ ...exchange, client: AbortSignal.any([exchange.client, ended.signal]) }, repository, () => {
        const served = serve({ version, repository, service: 'upload-pack', head: request, response: res });
        served.end();
        return served.child;
      });
    } finally {
      ended.unwatch();
    }
  }

  /** Watches the right to fetch from `handler`. The signal aborts when it has ended. */
  #endOfRight({ route, req }: Exchange, handler: GitHandler): { readonly signal: AbortSignal; unwatch(): void } {
    const ended = new AbortController();
    const look = async (): Promise<void> => {
      try {
        const found = await this.#access.reader(route, await this.#access.authenticate(req));
        if (found.id !== handler.id) ended.abort();
      } catch (error) {
        // While the database does not answer, or too many log in, nothing is known.
        if (error instanceof PlatformError && endsRight.has(error.code)) ended.abort();
      }
    };
    const looking = setInterval(() => void look(), this.#limits.recheckMs);
    return { signal: ended.signal, unwatch: () => clearInterval(looking) };
  }

  async #push(exchange: Exchange): Promise<void> {
    const { repositories, hooks, receiver, log, environment } = this.#deps;
    const turns = { receiving: this.#receiving, turnstile: this.#pushTurnstile, rates: this.#rates };
    const arriving = { spool: this.#spool, stopped: this.#stopped };
    const shared = { access: this.#access, limits: this.#limits, ...turns, ...arriving };
    const audit = { audit: this.#deps.audit, addressOf: this.#deps.addressOf };
    await new PushExchange({ ...shared, ...audit, repositories, hooks, receiver, log, environment }, exchange).run();
  }

  #versionOf({ req, route }: Exchange): GitVersion {
    return {
      environment: this.#deps.environment,
      protocol: protocolOf(req.headers['git-protocol'], route.service),
    };
  }

  /** Runs a git process that only reads; it is ended as soon as its client has gone. */
  async #withGit(
    { user, res, client }: Exchange,
    repository: string,
    start: () => ReturnType<typeof advertise> | Promise<ReturnType<typeof advertise>>,
  ): Promise<void> {
    const leave = await this.#turnstile.enter({ userId: user.id, exclusive: null, signal: client });
    try {
      const git = new GitProcess(await start(), this.#limits);
      const onClientGone = () => git.stop();
      const { status, stderr } = await attend({ git, res, client, limits: this.#limits, onClientGone });
      // git was stopped in the middle of its answer: destroying the connection shows that to a waiting client.
      if (!res.writableEnded && res.headersSent) res.destroy();
      if (status !== 0 && !client.aborted) this.#deps.log({ kind: 'git_failed', repository, status, stderr });
      if (!res.headersSent) throw new PlatformError('unavailable', 'git could not be started on the server');
    } finally {
      leave();
    }
  }

  #refuse(req: IncomingMessage, res: ServerResponse, error: unknown): void {
    if (isOurFailure(error)) this.#deps.log({ kind: 'failed', url: req.url ?? '', error });
    // Half an answer must not look like a complete one.
    if (res.headersSent || res.destroyed) res.destroy();
    else sendError({ req, res }, error, this.#limits.lingerMs);
  }
}

/** Errors of who has no right, or none any more. */
const endsRight: ReadonlySet<ErrorCode> = new Set(['unauthorized', 'forbidden', 'not_found']);

/**
 * Returns the text that the library gets of a negotiation of versions 0 and 1, if it begins as the library and git
 * expect (gitprotocol-pack(5), first-want).
 */
function fetchV0(head: Buffer): Buffer {
  if (/^[0-9a-f]{4}want [0-9a-f]{40}/i.test(head.toString('latin1', 0, 49))) return head;
  throw new PlatformError('bad_request', 'this is not a git fetch');
}

/**
 * Returns the text that the library gets of a request of version 2 (gitprotocol-v2(5), "Command Request"): the request
 * after a capability that makes the library start git, since the library looks for a word and a hexadecimal number at
 * the beginning, as in `want`. Keys may come in any order.
 */
function fetchV2(head: Buffer): Buffer {
  if (/^[0-9a-f]{4}[a-z-]+[=\n]/i.test(head.toString('latin1', 0, 40)))
    return Buffer.concat([pktLine('agent=node-git-server 1.0\n'), head]);
  throw new PlatformError('bad_request', 'this is not a git fetch');
}

function ignore(): void {}
