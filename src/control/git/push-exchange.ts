/**
 * One POST to git-receive-pack: its commands are read whole, its turn is awaited, then git gets the pack as
 * it comes, with hooks that talk to the deploy station. After the commands every refusal is written in git's
 * own words, so that the client shows it beside each ref.
 */
import { randomBytes } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import type { Print, PushedObjects, PushReceiver, PushSession } from '../../protocol/push.ts';
import type { Turnstile } from '../../waiting/turnstile.ts';
import type { RateLimiter } from '../accounts/rate-limiter.ts';
import { newId } from '../accounts/secrets.ts';
import type { Access, GitHandler } from './access.ts';
import { attend, type Exchange, type GitEvent, isOurFailure, sendResult } from './exchange.ts';
import { GitProcess } from './git-process.ts';
import type { HookEndpoint } from './hook-endpoint.ts';
import { type ServedRequest, serve } from './library.ts';
import type { GitLimits } from './limits.ts';
import { type PushCommands, readPushCommands, refusedRef, writePushCommands } from './push-commands.ts';
import { pushReport } from './push-report.ts';
import { anyErrorText } from './push-text.ts';
import type { Repositories } from './repositories.ts';
import { RequestBody } from './request-body.ts';

export interface PushExchangeDeps {
  readonly access: Access;
  readonly repositories: Repositories;
  readonly hooks: HookEndpoint;
  readonly receiver: PushReceiver;
  readonly turnstile: Turnstile;
  readonly rates: RateLimiter;
  readonly log: (event: GitEvent) => void;
  readonly limits: GitLimits;
}

export class PushExchange {
  readonly #deps: PushExchangeDeps;
  readonly #exchange: Exchange;

  constructor(deps: PushExchangeDeps, exchange: Exchange) {
    this.#deps = deps;
    this.#exchange = exchange;
  }

  async run(): Promise<void> {
    const { access, limits } = this.#deps;
    const { route, user, req } = this.#exchange;
    await access.pusher(route, user);
    const body = await RequestBody.open(req, { ...limits, bytes: limits.pushBytes });
    const commands = await readPushCommands(body, limits);
    if (commands === null) {
      if ((await body.read(limits.commandsMs)) !== null)
        throw new PlatformError('bad_request', 'this is not a git push: it has no command');
      sendResult(this.#exchange, 'receive-pack', Buffer.alloc(0));
      return;
    }
    try {
      await this.#takeTurn(body, commands);
    } catch (error) {
      await this.#refuse(body, commands, error);
    }
  }

  async #takeTurn(body: RequestBody, commands: PushCommands): Promise<void> {
    const { access, turnstile, rates } = this.#deps;
    const { route, user, client } = this.#exchange;
    checkRefs(commands);
    rates.take(user.id, 'pushes');
    const leave = await turnstile.enter({ userId: user.id, exclusive: route.name, signal: client });
    try {
      // Asked again: whoever had the turn before may have created or deleted it.
      await this.#receive(body, commands, await access.pusher(route, user));
    } finally {
      leave();
    }
  }

  async #refuse(body: RequestBody, commands: PushCommands, error: unknown): Promise<void> {
    const { log, limits } = this.#deps;
    const { req, res, client } = this.#exchange;
    if (res.headersSent || client.aborted) throw error;
    if (isOurFailure(error)) log({ kind: 'failed', url: req.url ?? '', error });
    // git reads an answer only when it has sent its pack; a client that stopped sending is not waited for.
    if (!isBrokenBody(error)) await body.discard(limits.idleMs);
    sendResult(this.#exchange, 'receive-pack', refusal(commands, error))(limits.lingerMs);
  }

  async #receive(body: RequestBody, commands: PushCommands, handler: GitHandler | null): Promise<void> {
    const { access, repositories, hooks, receiver } = this.#deps;
    const { route, user } = this.#exchange;
    // A handler that is not there yet has a repository already; it is created when the push is accepted.
    const handlerId = handler?.id ?? newId('h', randomBytes);
    const repository = await repositories.create(handlerId);
    const facts = { handlerName: route.name, handlerId, handlerExists: handler !== null, user };
    const session = new WatchedSession(receiver.begin({ ...facts, updates: commands.updates }));
    const unwanted = new AbortController();
    const open = await hooks.register({ repository, session, signal: unwanted.signal });
    try {
      await this.#runGit({ repository, handlerId, body, commands, session, unwanted });
    } finally {
      await open.close();
      await repositories.sweep(handlerId);
      await session.ended();
      if (handler === null && (await access.find(route.name))?.id !== handlerId) await repositories.remove(handlerId);
    }
  }

  async #runGit(options: {
    readonly repository: string;
    readonly handlerId: string;
    readonly body: RequestBody;
    readonly commands: PushCommands;
    readonly session: WatchedSession;
    readonly unwanted: AbortController;
  }): Promise<void> {
    const { repository, handlerId, body, commands, session, unwanted } = options;
    const { repositories, limits, log } = this.#deps;
    const { res, client } = this.#exchange;
    const served = serve({ repository, service: 'receive-pack', head: writePushCommands(commands), response: res });
    const child = await served.child;
    const git = new GitProcess(child, limits);
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
    const { status, stderr } = await attend({ git, res, client, idleMs: limits.idleMs, onClientGone: giveUp });
    const broken = await fed;
    if (broken !== null && !session.accepted) throw broken;
    if (status !== 0 && !client.aborted) log({ kind: 'git_failed', repository, status, stderr });
  }

  /** Passes the pack on as fast as git takes it. Returns what ended it early, if anything did. */
  async #feed(options: {
    readonly body: RequestBody;
    readonly commands: PushCommands;
    readonly served: Pick<ServedRequest, 'feed' | 'end'>;
    readonly git: GitProcess;
    readonly giveUp: () => void;
  }): Promise<unknown> {
    const { body, commands, served, git, giveUp } = options;
    const closed = git.closed.then(() => null);
    try {
      let chunk: Buffer | null = commands.rest;
      while (chunk !== null) {
        if (chunk.length > 0) await Promise.race([served.feed(chunk), closed]);
        // A git that has ended early waits for nothing more.
        chunk = await Promise.race([body.read(this.#deps.limits.idleMs), closed]);
      }
      served.end();
      return null;
    } catch (error) {
      // Too large, too slow or gone: git has not seen the end of the pack, so it accepts nothing.
      giveUp();
      return error;
    }
  }
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

/** The client sends too much, too slowly, or not at all any more. */
function isBrokenBody(error: unknown): boolean {
  return error instanceof PlatformError && (error.code === 'request_timeout' || error.code === 'body_too_large');
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
