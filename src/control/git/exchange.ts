/** One request at the git door, and the ways to answer it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import type { User } from '../../protocol/nouns.ts';
import type { Actor } from '../../protocol/permissions.ts';
import { isOutage } from '../db/sql-error.ts';
import type { GitExit, GitProcess } from './git-process.ts';
import type { GitRoute, GitService } from './git-url.ts';
import type { GitLimits } from './limits.ts';
import { anyErrorText } from './push-text.ts';

/** A line for the platform's own log. */
export type GitEvent =
  | { readonly kind: 'failed'; readonly url: string; readonly error: unknown }
  | {
      readonly kind: 'git_failed';
      readonly repository: string;
      readonly status: number | null;
      readonly stderr: string;
    };

export interface Exchange {
  readonly route: GitRoute;
  /** Actor of the request, with the rights of the credentials used. */
  readonly actor: Actor;
  readonly user: User;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Aborts when the client goes away before it has its answer. */
  readonly client: AbortSignal;
}

/**
 * Resolves when git has ended. Calls `onClientGone`, at least once, when the client goes away before that, or when
 * output waits for the client and it takes less than `slowBytes` in `idleMs`: a client that reads a byte now and then
 * would hold one of the few git processes for ever.
 */
export async function attend(options: {
  readonly git: GitProcess;
  readonly res: ServerResponse;
  readonly client: AbortSignal;
  readonly limits: Pick<GitLimits, 'idleMs' | 'slowBytes'>;
  readonly onClientGone: () => void;
}): Promise<GitExit> {
  const { git, res, client, limits, onClientGone } = options;
  if (client.aborted) onClientGone();
  else client.addEventListener('abort', onClientGone, { once: true });
  let written = res.socket?.bytesWritten ?? 0;
  let waited = false;
  const watch = setInterval(() => {
    const now = res.socket?.bytesWritten ?? 0;
    const waits = res.writableLength > 0;
    if (waits && waited && now - written < limits.slowBytes) onClientGone();
    written = now;
    waited = waits;
  }, limits.idleMs);
  const exit = await git.closed;
  clearInterval(watch);
  client.removeEventListener('abort', onClientGone);
  return exit;
}

/** Returns whether `error` is a failure of the platform: not a user's mistake, and not a platform that is only busy. */
export function isOurFailure(error: unknown): boolean {
  return !(error instanceof PlatformError) || (error.code === 'unavailable' && error.cause !== undefined);
}

/** Writes the status and the headers of an answer in git's own format. */
export function startResult(res: ServerResponse, service: GitService): void {
  res.statusCode = 200;
  res.setHeader('content-type', `application/x-git-${service}-result`);
  res.setHeader('cache-control', 'no-cache');
}

type Answered = Pick<Exchange, 'req' | 'res'>;

/** Answers in git's own format. A request body that is still arriving is read and dropped for at most `lingerMs`. */
export function sendResult(exchange: Answered, service: GitService, body: Buffer, lingerMs: number): void {
  startResult(exchange.res, service);
  end(exchange, body, lingerMs);
}

/** Answers with an HTTP error. git shows a plain text body as `remote: …` lines, but only where it asks for refs. */
export function sendError(exchange: Answered, error: unknown, lingerMs: number): void {
  const { res } = exchange;
  const known = error instanceof PlatformError ? error : null;
  res.statusCode = known?.status ?? (isOutage(error) ? 503 : 500);
  res.setHeader('content-type', 'text/plain; charset=utf-8');
  if (known?.code === 'unauthorized') res.setHeader('www-authenticate', 'Basic realm="Trisiel", charset="UTF-8"');
  if (known?.retryAfterSeconds !== undefined) res.setHeader('retry-after', String(known.retryAfterSeconds));
  const text = known?.code === 'unauthorized' ? `${known.message}\n` : anyErrorText(error);
  end(exchange, Buffer.from(text), lingerMs);
}

function end({ req, res }: Answered, body: Buffer, lingerMs: number): void {
  if (req.complete) {
    res.end(body);
    return;
  }
  // `close` and a complete answer make git's HTTP client (libcurl) stop sending. The connection stays open for
  // `lingerMs`: closing it with unread bytes resets it, which may discard the answer (RFC 9112, 9.6).
  res.setHeader('connection', 'close');
  res.setHeader('content-length', body.length);
  res.write(body);
  req.unpipe();
  req.resume();
  const last = setTimeout(() => req.socket.destroy(), lingerMs);
  const finish = () => {
    clearTimeout(last);
    res.end();
  };
  req.once('end', finish);
  res.once('close', finish);
}
