/**
 * The git door: everything that git speaks over HTTP. It stands in front of node-git-server and lets
 * through only requests that are authenticated, authorised and whole (SAFETY.md, The git door).
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RateLimiter } from '../accounts/rate-limiter.ts';
import { newId } from '../accounts/secrets.ts';
import type { Database } from '../db/database.ts';
import { PlatformError } from '../protocol/errors.ts';
import { checkHandlerName, isHandlerName } from '../protocol/names.ts';
import type { User } from '../protocol/nouns.ts';
import type { Print, PushedObjects, PushReceiver, PushSession } from '../protocol/push.ts';
import { GitProcess } from './git-process.ts';
import { basicPassword, type GitRoute, isGitUrl, parseGitUrl } from './git-url.ts';
import type { HookEndpoint } from './hook-endpoint.ts';
import { advertise, serve } from './library.ts';
import { type GitLimits, gitLimits } from './limits.ts';
import { flushPkt } from './pkt-line.ts';
import { type PushCommands, readPushCommands, refusedRef, writePushCommands } from './push-commands.ts';
import { pushReport } from './push-report.ts';
import { anyErrorText } from './push-text.ts';
import type { Repositories } from './repositories.ts';
import { RequestBody } from './request-body.ts';
import { Turnstile } from './turnstile.ts';

export interface GitDoorDeps {
  readonly db: Database;
  readonly repositories: Repositories;
  readonly hooks: HookEndpoint;
  readonly receiver: PushReceiver;
  /** Accounts.userOfToken. */
  readonly userOfToken: (token: string) => Promise<{ readonly user: User } | null>;
  /** For the platform's own log; never holds a token. */
  readonly log: (event: GitEvent) => void;
  /** Milliseconds that never jump. */
  readonly now: () => number;
  readonly limits?: Partial<GitLimits>;
}

export type GitEvent =
  | { readonly kind: 'failed'; readonly url: string; readonly error: unknown }
  | {
      readonly kind: 'git_failed';
      readonly repository: string;
      readonly status: number | null;
      readonly stderr: string;
    };

export interface GitDoor {
  /** Whether the door answers this request; nothing else may. */
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
  readonly #turnstile: Turnstile;
  readonly #pushTurnstile: Turnstile;
  readonly #pushes: RateLimiter;
  readonly #running = new Set<Promise<void>>();

  constructor(deps: GitDoorDeps) {
    this.#deps = deps;
    this.#limits = { ...gitLimits, ...deps.limits };
    this.#turnstile = new Turnstile(this.#limits);
    this.#pushTurnstile = new Turnstile({ ...this.#limits, operations: this.#limits.pushOperations });
    this.#pushes = new RateLimiter(this.#limits.pushes, deps.now);
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
    // First of all: without a valid token there is nothing here, not even a 404.
    const user = await this.#authenticate(req);
    const route = parseGitUrl(req.method ?? '', req.url ?? '');
    if (route === null)
      throw new PlatformError('not_found', 'no such repository', {
        hints: ['the URL of a handler named swift-otter ends in /swift-otter.git'],
      });
    const client = new AbortController();
    res.once('close', () => {
      if (!res.writableFinished) client.abort();
    });
    if (route.kind === 'advertise') await this.#advertise({ route, user, res, client: client.signal });
    else if (route.service === 'upload-pack') await this.#fetch({ route, user, req, res, client: client.signal });
    else await this.#push({ route, user, req, res, client: client.signal });
  }

  async #authenticate(req: IncomingMessage): Promise<User> {
    const header = req.headers.authorization;
    const token = basicPassword(header);
    if (token === null)
      throw new PlatformError(
        'unauthorized',
        header === undefined ? logIn : `This takes a token as password. ${logIn}`,
      );
    const found = await this.#deps.userOfToken(token);
    if (found === null) throw new PlatformError('unauthorized', `This token is wrong or has been revoked. ${logIn}`);
    return found.user;
  }

  /** The handler, or null if a push may create it. The same answer for a foreign handler and for none. */
  async #authorise(route: GitRoute, user: User): Promise<GitHandler | null> {
    const { name, service } = route;
    if (service === 'receive-pack') checkHandlerName(name);
    const handler = isHandlerName(name) ? await this.#find(name) : null;
    const own = handler !== null && handler.ownerId === user.id;
    if (own && !handler.deleted) return handler;
    if (own)
      throw new PlatformError('not_found', `the handler ${name} is deleted`, {
        hints: [`to have it back: wasmcloud restore ${name}`],
      });
    if (service === 'upload-pack') throw new PlatformError('not_found', `you have no handler ${shown(name)}`);
    if (handler === null) return null;
    throw new PlatformError('not_found', `you have no handler ${name}, and the name is not free`, {
      hints: ['choose another name: wasmcloud create'],
    });
  }

  /** Deleted handlers too: their names stay taken. */
  async #find(name: string): Promise<GitHandler | null> {
    const row = await this.#deps.db
      .selectFrom('handlers')
      .select(['id', 'owner_id', 'deleted_ms'])
      .where('name', '=', name)
      .executeTakeFirst();
    return row === undefined ? null : { id: row.id, ownerId: row.owner_id, deleted: row.deleted_ms !== null };
  }

  async #advertise(options: {
    readonly route: GitRoute;
    readonly user: User;
    readonly res: ServerResponse;
    readonly client: AbortSignal;
  }): Promise<void> {
    const { route, user, res, client } = options;
    const handler = await this.#authorise(route, user);
    const { repositories } = this.#deps;
    const repository = handler === null ? repositories.emptyPath : await repositories.create(handler.id);
    const leave = await this.#turnstile.enter({ userId: user.id, exclusive: null, signal: client });
    try {
      const git = new GitProcess(advertise({ repository, service: route.service, response: res }), this.#limits);
      await this.#attend({ git, repository, res, client, onClientGone: () => git.stop() });
    } finally {
      leave();
    }
  }

  async #fetch(options: Exchange): Promise<void> {
    const { route, user, req, res, client } = options;
    const handler = await this.#authorise(route, user);
    if (handler === null) throw new PlatformError('not_found', `you have no handler ${shown(route.name)}`);
    const body = await RequestBody.open(req, { ...this.#limits, bytes: this.#limits.fetchBytes });
    const head = await body.readAll(this.#limits.commandsMs);
    if (head.length === 0 || head.equals(flushPkt)) {
      sendResult(res, 'upload-pack', Buffer.alloc(0));
      return;
    }
    // What the library waits for before it starts git (gitprotocol-pack, first-want).
    if (!/^[0-9a-f]{4}want [0-9a-f]{40}/i.test(head.toString('latin1', 0, 49)))
      throw new PlatformError('bad_request', 'this is not a git fetch');
    const leave = await this.#turnstile.enter({ userId: user.id, exclusive: null, signal: client });
    try {
      const repository = await this.#deps.repositories.create(handler.id);
      const served = serve({ repository, service: 'upload-pack', head, response: res });
      served.end();
      const git = new GitProcess(await served.child, this.#limits);
      await this.#attend({ git, repository, res, client, onClientGone: () => git.stop() });
    } finally {
      leave();
    }
  }

  async #push(options: Exchange): Promise<void> {
    const { route, user, req, res, client } = options;
    await this.#authorise(route, user);
    const body = await RequestBody.open(req, { ...this.#limits, bytes: this.#limits.pushBytes });
    const commands = await readPushCommands(body, this.#limits);
    if (commands === null) {
      if ((await body.read(this.#limits.commandsMs)) !== null)
        throw new PlatformError('bad_request', 'this is not a git push: it has no command');
      sendResult(res, 'receive-pack', Buffer.alloc(0));
      return;
    }
    try {
      checkRefs(commands);
      this.#pushes.take(user.id, 'pushes');
      const leave = await this.#pushTurnstile.enter({ userId: user.id, exclusive: route.name, signal: client });
      try {
        // Asked again: whoever had the turn before may have created or deleted it.
        const handler = await this.#authorise(route, user);
        await this.#receive({ ...options, body, commands, handler });
      } finally {
        leave();
      }
    } catch (error) {
      if (res.headersSent || client.aborted) throw error;
      if (!(error instanceof PlatformError)) this.#deps.log({ kind: 'failed', url: req.url ?? '', error });
      // git reads an answer only when it has sent its pack; a client that stopped sending is not waited for.
      if (!isBrokenBody(error)) await body.discard(this.#limits.idleMs);
      sendResult(res, 'receive-pack', refusal(commands, error));
    }
  }

  async #receive(
    options: Exchange & {
      readonly body: RequestBody;
      readonly commands: PushCommands;
      readonly handler: GitHandler | null;
    },
  ): Promise<void> {
    const { route, user, res, client, body, commands, handler } = options;
    const { repositories, hooks, receiver } = this.#deps;
    const handlerId = handler?.id ?? newId('h', randomBytes);
    const repository = await repositories.create(handlerId);
    const facts = { handlerName: route.name, handlerId, handlerExists: handler !== null, user };
    const session = new WatchedSession(receiver.begin({ ...facts, updates: commands.updates }));
    const unwanted = new AbortController();
    const open = await hooks.register({ repository, session, signal: unwanted.signal });
    try {
      const served = serve({ repository, service: 'receive-pack', head: writePushCommands(commands), response: res });
      const child = await served.child;
      const git = new GitProcess(child, this.#limits);
      await repositories.noteGit(handlerId, child.pid ?? 0).catch(async (error: unknown) => {
        git.stop();
        await git.closed;
        throw error;
      });
      const giveUp = () => {
        // Once git may move the refs, it is let: what was promised to be live becomes so.
        if (session.accepted) return git.discardOutput();
        unwanted.abort();
        git.stop();
      };
      const fed = this.#feed({ body, commands, served, git, giveUp });
      await this.#attend({ git, repository, res, client, onClientGone: giveUp });
      const broken = await fed;
      if (broken !== null && !session.accepted) throw broken;
    } finally {
      await open.close();
      await repositories.sweep(handlerId);
      await session.ended();
      if (handler === null && (await this.#find(route.name))?.id !== handlerId) await repositories.remove(handlerId);
    }
  }

  /** Passes the pack on as fast as git takes it. Returns what ended it early, if anything did. */
  async #feed(options: {
    readonly body: RequestBody;
    readonly commands: PushCommands;
    readonly served: { feed(chunk: Buffer): Promise<void>; end(): void };
    readonly git: GitProcess;
    readonly giveUp: () => void;
  }): Promise<unknown> {
    const { body, commands, served, git, giveUp } = options;
    let over = false;
    const closed = git.closed.then(() => {
      over = true;
    });
    try {
      let chunk: Buffer | null = commands.rest;
      while (chunk !== null && !over) {
        if (chunk.length > 0) await Promise.race([served.feed(chunk), closed]);
        chunk = await body.read(this.#limits.idleMs);
      }
      served.end();
      return null;
    } catch (error) {
      // Too large, too slow or gone: git has not seen the end of the pack, so it accepts nothing.
      giveUp();
      return error;
    }
  }

  /**
   * Until git has ended. `onClientGone` is called when the client goes away before, or takes nothing of
   * what is there for it.
   */
  async #attend(options: {
    readonly git: GitProcess;
    readonly repository: string;
    readonly res: ServerResponse;
    readonly client: AbortSignal;
    readonly onClientGone: () => void;
  }): Promise<void> {
    const { git, repository, res, client, onClientGone } = options;
    if (client.aborted) onClientGone();
    else client.addEventListener('abort', onClientGone, { once: true });
    let written = -1;
    const watch = setInterval(() => {
      const isStuck = res.writableLength > 0 && res.socket?.bytesWritten === written;
      if (isStuck) onClientGone();
      written = res.socket?.bytesWritten ?? -1;
    }, this.#limits.idleMs);
    const { status, stderr } = await git.closed;
    clearInterval(watch);
    client.removeEventListener('abort', onClientGone);
    if (status !== 0 && !client.aborted) this.#deps.log({ kind: 'git_failed', repository, status, stderr });
    // git was stopped, or could not be started: a client that still waits must notice.
    if (!res.writableEnded && res.headersSent) res.destroy();
  }

  /** git shows a plain text body as `remote: …` lines. */
  #refuse(req: IncomingMessage, res: ServerResponse, error: unknown): void {
    if (!(error instanceof PlatformError)) this.#deps.log({ kind: 'failed', url: req.url ?? '', error });
    if (res.headersSent || res.destroyed) {
      res.destroy(); // half an answer must not look like a whole one
      return;
    }
    const known = error instanceof PlatformError ? error : null;
    res.statusCode = known?.status ?? 500;
    res.setHeader('content-type', 'text/plain; charset=utf-8');
    if (known?.code === 'unauthorized') res.setHeader('www-authenticate', 'Basic realm="Trisiel", charset="UTF-8"');
    if (known?.retryAfterSeconds !== undefined) res.setHeader('retry-after', String(known.retryAfterSeconds));
    if (req.complete) {
      res.end(plainText(error));
      return;
    }
    // The rest of the body is not wanted; but closing at once would take the answer back (RFC 9112, 9.6).
    res.setHeader('connection', 'close');
    res.end(plainText(error));
    req.unpipe();
    req.resume();
    const last = setTimeout(() => req.socket.destroy(), this.#limits.lingerMs);
    req.socket.once('close', () => clearTimeout(last));
  }
}

/** As much of a handler as the door must know. */
interface GitHandler {
  readonly id: string;
  readonly ownerId: string;
  readonly deleted: boolean;
}

interface Exchange {
  readonly route: GitRoute;
  readonly user: User;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly client: AbortSignal;
}

/** The client sends too much, too slowly, or not at all any more. */
function isBrokenBody(error: unknown): boolean {
  return error instanceof PlatformError && (error.code === 'request_timeout' || error.code === 'body_too_large');
}

const logIn = 'Log in first: wasmcloud login';

function plainText(error: unknown): string {
  if (error instanceof PlatformError && error.code === 'unauthorized') return `${error.message}\n`;
  return anyErrorText(error);
}

/** One bad ref refuses the whole push. */
function checkRefs(commands: PushCommands): void {
  const bad = commands.updates.flatMap(({ ref }) => {
    const reason = refusedRef(ref);
    return reason === null ? [] : [`${ref}: ${reason}`];
  });
  if (bad.length === 0) return;
  throw new PlatformError('bad_request', 'only branches and tags can be pushed', {
    details: bad.slice(0, 10),
    hints: ['to push a branch: git push wasmcloud main'],
  });
}

function refusal(commands: PushCommands, error: unknown): Buffer {
  return pushReport(
    {
      text: `${anyErrorText(error)}nothing deployed\n`,
      refs: commands.updates.map(({ ref }) => ({ ref, reason: refusedRef(ref) ?? 'refused' })),
    },
    commands.capabilities,
  );
}

function sendResult(res: ServerResponse, service: string, body: Buffer): void {
  res.statusCode = 200;
  res.setHeader('content-type', `application/x-git-${service}-result`);
  res.setHeader('cache-control', 'no-cache');
  res.end(body);
}

/** Knows whether git has been allowed to move the refs. */
class WatchedSession implements PushSession {
  readonly #session: PushSession;
  accepted = false;

  constructor(session: PushSession) {
    this.#session = session;
  }

  async preReceive(objects: PushedObjects, print: Print, signal: AbortSignal): Promise<boolean> {
    this.accepted = await this.#session.preReceive(objects, print, signal);
    return this.accepted;
  }

  postReceive(print: Print): Promise<void> {
    return this.#session.postReceive(print);
  }

  ended(): Promise<void> {
    return this.#session.ended();
  }
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 60));
}

function ignore(): void {}
