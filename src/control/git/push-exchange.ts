/**
 * Handles one POST to git-receive-pack: reads its commands whole, then its pack, waits for its turn, then gives git the
 * pack, with a hook that talks to the deploy station. When git has moved the refs and has ended, the deploy station
 * makes the Releases. Once a ref is known, every outcome of the push is a report in git's own format, so that the
 * client shows it beside each ref.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';
import { PlatformError } from '../../protocol/errors.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { PushReceiver, RefUpdate } from '../../protocol/push.ts';
import type { Turnstile } from '../../waiting/turnstile.ts';
import type { RateLimiter } from '../accounts/rate-limiter.ts';
import { newId } from '../accounts/secrets.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Access, GitHandler } from './access.ts';
import { attend, type Exchange, type GitEvent, isOurFailure, sendResult } from './exchange.ts';
import { GitBody } from './git-body.ts';
import { type GitExit, GitProcess } from './git-process.ts';
import type { HookEndpoint } from './hook-endpoint.ts';
import { type ServedRequest, serve } from './library.ts';
import type { GitLimits } from './limits.ts';
import { ObjectTime } from './object-time.ts';
import type { PackSpool, SpooledPack } from './pack-spool.ts';
import { flushPkt } from './pkt-line.ts';
import { PushAnswer } from './push-answer.ts';
import { CommandSection, type PushCommands, refusedRef, writePushCommands } from './push-commands.ts';
import { answerBody, unpackOutcome, writeReport } from './push-report.ts';
import { anyErrorText } from './push-text.ts';
import { readRef } from './ref-files.ts';
import type { Repositories } from './repositories.ts';
import { goOnPkt, isGitItself, type StoppedUploads, splitAnswer } from './stopped-uploads.ts';
import { unpackError } from './unpack-error.ts';
import { WatchedSession } from './watched-session.ts';

export interface PushExchangeDeps {
  readonly access: Access;
  readonly repositories: Repositories;
  readonly hooks: HookEndpoint;
  readonly receiver: PushReceiver;
  /** Admits pushes whose pack is arriving; refuses at once when there is no place. */
  readonly receiving: Turnstile;
  /** Admits pushes to git. */
  readonly turnstile: Turnstile;
  readonly spool: PackSpool;
  readonly stopped: StoppedUploads;
  readonly rates: RateLimiter;
  readonly log: (event: GitEvent) => void;
  readonly audit: Pick<AuditLog, 'write'>;
  /** Returns the address of the client that sent a request. */
  readonly addressOf: (req: IncomingMessage) => string;
  /** The environment that git inherits. */
  readonly environment: Record<string, string | undefined>;
  readonly limits: GitLimits;
}

export class PushExchange {
  readonly #deps: PushExchangeDeps;
  readonly #exchange: Exchange;
  readonly #section = new CommandSection();

  constructor(deps: PushExchangeDeps, exchange: Exchange) {
    this.#deps = deps;
    this.#exchange = exchange;
  }

  /** Answers the request, of an actor whom the door has found to be allowed to push. */
  async run(): Promise<void> {
    const { limits } = this.#deps;
    const { req } = this.#exchange;
    const body = await GitBody.open(req, { ...limits, bytes: limits.pushBytes });
    try {
      const commands = await this.#section.read(body, limits);
      if (commands === null) await this.#answerProbe(body);
      else await this.#push(body, commands);
    } catch (error) {
      await this.#refuse(body, error);
    }
  }

  /** Answers the request with one flush packet that git sends before a large push, to see whether it may push. */
  async #answerProbe(body: GitBody): Promise<void> {
    const { limits } = this.#deps;
    if (this.#section.rest().length > 0 || (await body.read(limits.commandsMs)) !== null)
      throw new PlatformError('bad_request', 'this is not a git push: it has no command');
    sendResult(this.#exchange, 'receive-pack', Buffer.alloc(0), limits.lingerMs);
  }

  async #push(body: GitBody, commands: PushCommands): Promise<void> {
    const { user } = this.#exchange;
    checkRefs(commands);
    this.#deps.rates.take(user.id, 'pushes');
    const pack = await this.#arrived(body);
    try {
      await this.#takeTurn(commands, pack);
    } finally {
      await pack.release();
    }
  }

  /** Takes the pack into the spool, once there is a place for it. */
  async #arrived(body: GitBody): Promise<SpooledPack> {
    const { receiving, spool } = this.#deps;
    const { user, client } = this.#exchange;
    const leave = await receiving.enter({ userId: user.id, exclusive: null, signal: client });
    try {
      return await spool.receive(body, this.#section.rest(), user.id);
    } finally {
      leave();
    }
  }

  /** Waits until no other push to the same repository runs and git has a place, then hands the push to git. */
  async #takeTurn(commands: PushCommands, pack: SpooledPack): Promise<void> {
    const { access, turnstile, limits } = this.#deps;
    const { route, actor, user, client } = this.#exchange;
    for (let turn = 1; turn <= limits.turnsPerPush; turn += 1) {
      // A handler that was renamed is pushed to under several names, so the id tells its pushes apart.
      const repository = repositoryKey(await access.pusher(route, actor), route.name);
      const leave = await turnstile.enter({ userId: user.id, exclusive: repository, signal: client });
      try {
        // Checks again: the previous push may have created or deleted the handler.
        const handler = await access.pusher(route, actor);
        // The handler was created meanwhile, or the name has gone to another one: this turn is for another repository.
        if (repositoryKey(handler, route.name) !== repository) continue;
        await this.#receive(commands, pack, handler);
        return;
      } finally {
        leave();
      }
    }
    throw new PlatformError('unavailable', `${route.name} became the name of another handler again and again`, {
      retryAfterSeconds: 1,
    });
  }

  /** Answers a push that is refused before git gets it. */
  async #refuse(body: GitBody, error: unknown): Promise<void> {
    const { log, limits, stopped } = this.#deps;
    const { req, res, client, route, user } = this.#exchange;
    if (res.headersSent || client.aborted) throw error;
    const { capabilities, refs } = this.#section;
    const end = refs.length === 0 ? stopped.endOf(user.id, route.name) : null;
    if (end !== null) return this.#answerRest(body, end);
    // A client that sent no command is not git, or has not sent its capabilities.
    if (capabilities.length === 0) throw error;
    if (isOurFailure(error)) log({ kind: 'failed', url: req.url ?? '', error });
    if (!isTooSlow(error)) await body.discard(limits.drainMs);
    const outcomes = refs.map((ref) => ({ ref, refused: refusedRef(ref.toString('utf8')) ?? 'refused' }));
    const text = `${anyErrorText(error)}nothing deployed\n`;
    const report = writeReport(outcomes);
    let answer = answerBody(text, report, capabilities);
    if (!body.ended) {
      const isSplit = isGitItself(req.headers['user-agent']) && capabilities.includes('side-band-64k');
      const parts = isSplit ? splitAnswer(text, report) : { begin: answer, end: flushPkt };
      stopped.note(user.id, route.name, parts.end);
      answer = parts.begin;
    }
    sendResult(this.#exchange, 'receive-pack', answer, limits.lingerMs);
  }

  /** Answers a further request of a push that was refused before its end. */
  async #answerRest(body: GitBody, end: Buffer): Promise<void> {
    const { limits, stopped } = this.#deps;
    const { req, route, user } = this.#exchange;
    const isLast = req.headers['content-length'] !== undefined;
    if (isLast) await body.discard(limits.drainMs);
    else stopped.note(user.id, route.name, end);
    sendResult(this.#exchange, 'receive-pack', isLast ? end : goOnPkt, limits.lingerMs);
  }

  /** Runs the push through hook, git and deploy station. Cleans up in all cases, and ends the answer last. */
  async #receive(commands: PushCommands, pack: SpooledPack, handler: GitHandler | null): Promise<void> {
    const { access, repositories, hooks, receiver, limits } = this.#deps;
    const { route, user } = this.#exchange;
    // A new handler's repository exists before the handler, which is created when the push is accepted.
    const handlerId = handler?.id ?? newId('h', randomBytes);
    const repository = await repositories.create(handlerId);
    const handlerName = handler?.name ?? route.name;
    const formerName = handlerName === route.name ? null : route.name;
    const facts = { handlerName, formerName, handlerId, handlerExists: handler !== null, user };
    const begun = receiver.begin({ ...facts, updates: commands.updates });
    const record = repositories.recordOf(handlerId);
    const objectTime = new ObjectTime(limits.objectsMs);
    const session = new WatchedSession(begun, {
      ...{ record, updates: commands.updates, objectTime },
      stillMay: () => this.#stillMay(handlerId),
    });
    const unwanted = new AbortController();
    const open = await hooks.register({ repository, session, signal: unwanted.signal });
    let finish = () => {};
    try {
      finish = await this.#runGit({ repository, handlerId, commands, pack, session, objectTime, unwanted });
    } finally {
      objectTime.stop();
      await open.close();
      await repositories.sweep(handlerId);
      await session.settle();
      await session.ended();
      if (session.accepted && session.lost === null)
        await this.#audit({ id: handlerId, name: handlerName }, commands.updates);
      if (handler === null && !(await access.exists(handlerId))) await repositories.remove(handlerId);
    }
    finish();
  }

  /**
   * Throws as Access does when who pushes may not push to this handler any more, which has another name by now perhaps.
   */
  async #stillMay(handlerId: string): Promise<void> {
    const { access } = this.#deps;
    const { route, req } = this.#exchange;
    const found = await access.pusher(route, await access.authenticate(req));
    // One who has no role does not learn where a former name leads: it counts as free.
    if (found?.id !== handlerId) throw new PlatformError('not_found', `you cannot push to ${route.name} any more`);
  }

  /** Writes the audit entry of a push whose refs git was allowed to move. A failure does not change the push. */
  async #audit(handler: Pick<GitHandler, 'id' | 'name'>, updates: readonly RefUpdate[]): Promise<void> {
    const { audit, addressOf, log } = this.#deps;
    const { actor, req } = this.#exchange;
    const who = { user: actor.user, tokenId: actor.tokenId, address: addressOf(req) };
    const moves = updates.map(({ ref, old, new: next }) => [ref, `${old ?? 'new'} ${next ?? 'deleted'}`]);
    await audit
      .write({ ...who, operation: 'gitPush', handler, detail: Object.fromEntries(moves), outcome: 'ok' })
      .catch((error: unknown) => log({ kind: 'failed', url: req.url ?? '', error }));
  }

  /** Runs git to its end. Returns the function that ends the answer, to be called when the push has been cleaned up. */
  async #runGit(options: {
    readonly repository: string;
    readonly handlerId: HandlerId;
    readonly commands: PushCommands;
    readonly pack: SpooledPack;
    readonly session: WatchedSession;
    readonly objectTime: ObjectTime;
    readonly unwanted: AbortController;
  }): Promise<() => void> {
    const { repository, handlerId, commands, pack, session, objectTime, unwanted } = options;
    const { repositories, limits, log, environment } = this.#deps;
    const { res, client } = this.#exchange;
    const answer = new PushAnswer(res, commands.capabilities);
    const head = writePushCommands(commands);
    const version = { environment, protocol: null };
    const served = serve({ version, repository, service: 'receive-pack', head, response: answer });
    const child = await served.child;
    const git = new GitProcess(child, limits);
    await repositories.noteGit(handlerId, child.pid ?? 0).catch(async (error: unknown) => {
      git.stop();
      await git.closed;
      throw error;
    });
    const giveUp = () => {
      // Once git may move the refs, it runs to its end: the announced Deployments become live.
      if (session.accepted) return git.discardOutput();
      unwanted.abort();
      git.stop();
    };
    objectTime.over.addEventListener('abort', giveUp, { once: true });
    objectTime.start();
    const fed = feed({ pack, served, git, giveUp });
    const exit = await attend({ git, res, client, limits, onClientGone: giveUp });
    const broken = (await fed) ?? objectTime.over.reason ?? null;
    if (broken !== null && !session.accepted && !res.headersSent) throw broken;
    answer.hurry();
    if (!git.isDiscarded && exit.started) await finished(answer).catch(() => {});
    if (session.accepted && (await haveMoved(repository, commands.updates)))
      await session.refsMoved((text) => answer.print(text));
    await session.settle();
    if (client.aborted) return () => {};
    if (exit.status !== 0) log({ kind: 'git_failed', repository, status: exit.status, stderr: exit.stderr });
    const { text, report } = await this.#lastWords({ commands, session, answer, handlerId, exit, broken });
    return () => answer.finish(text, report);
  }

  /** Returns the report that ends the answer, git's own if there is one, and the text above it. */
  async #lastWords(options: {
    readonly commands: PushCommands;
    readonly session: WatchedSession;
    readonly answer: PushAnswer;
    readonly handlerId: HandlerId;
    readonly exit: GitExit;
    readonly broken: unknown;
  }): Promise<{ readonly text: string; readonly report: Buffer }> {
    const { commands, session, answer, handlerId, exit, broken } = options;
    const { report } = answer;
    if (session.lost !== null) {
      const outcomes = commands.updates.map(({ ref }) => ({ ref, refused: 'the push could not be recorded' }));
      return { text: `${anyErrorText(session.lost)}nothing deployed\n`, report: writeReport(outcomes) };
    }
    const unpacked = unpackOutcome(report);
    if (unpacked === 'ok') return { text: '', report };
    const error = broken ?? unpackError(`${answer.words}\n${exit.stderr}`, unpacked);
    if (unpacked !== null) return { text: `${anyErrorText(error)}nothing deployed\n`, report };
    // git was ended before it could report. The refs tell which it has moved.
    const refs = session.accepted ? await this.#deps.repositories.refs(handlerId) : new Map<string, string>();
    const outcomes = commands.updates.map(({ ref, new: next }) => {
      const moved = session.accepted && (refs.get(ref) ?? null) === next;
      return { ref, refused: moved ? null : 'git was ended on the server' };
    });
    const isDone = outcomes.every(({ refused }) => refused === null);
    return { text: isDone ? '' : `${anyErrorText(error)}nothing deployed\n`, report: writeReport(outcomes) };
  }
}

/** Returns whether git has moved all refs of a push; `atomic` (push-commands.ts) makes git move all or none. */
async function haveMoved(repository: string, updates: readonly RefUpdate[]): Promise<boolean> {
  for (const { ref, new: next } of updates) if ((await readRef(repository, ref)) !== next) return false;
  return true;
}

/** Gives git the pack as fast as git reads it. Returns the error that ended it early, null: none. */
async function feed(options: {
  readonly pack: SpooledPack;
  readonly served: Pick<ServedRequest, 'feed' | 'end'>;
  readonly git: GitProcess;
  readonly giveUp: () => void;
}): Promise<unknown> {
  const { pack, served, git, giveUp } = options;
  let isOver = false;
  const closed = git.closed.then(() => {
    isOver = true;
  });
  try {
    for await (const chunk of pack.chunks()) {
      await Promise.race([served.feed(chunk), closed]);
      // git has ended early and reads no more.
      if (isOver) return null;
    }
    served.end();
    return null;
  } catch (error) {
    // The pack cannot be read. git has not seen its end, so it accepts nothing.
    giveUp();
    return error;
  }
}

/** Returns the key under which the pushes to one repository take turns. `name`: name of a handler to be created. */
function repositoryKey(handler: GitHandler | null, name: string): string {
  return handler === null ? `new ${name}` : handler.id;
}

/** Throws `bad_request`: one bad ref refuses the whole push. */
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

function isTooSlow(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'request_timeout';
}
