/** One request at the git door, and what happens between its client and git. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../protocol/errors.ts';
import type { User } from '../../protocol/nouns.ts';
import type { GitExit, GitProcess } from './git-process.ts';
import type { GitRoute, GitService } from './git-url.ts';
import { anyErrorText } from './push-text.ts';

/** For the platform's own log. */
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
  readonly user: User;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Aborts when the client goes away before it has its answer. */
  readonly client: AbortSignal;
}

/**
 * Until git has ended. `onClientGone` is called when the client goes away before, or takes nothing of what
 * is there for it during `idleMs`.
 */
export async function attend(options: {
  readonly git: GitProcess;
  readonly res: ServerResponse;
  readonly client: AbortSignal;
  readonly idleMs: number;
  readonly onClientGone: () => void;
}): Promise<GitExit> {
  const { git, res, client, idleMs, onClientGone } = options;
  if (client.aborted) onClientGone();
  else client.addEventListener('abort', onClientGone, { once: true });
  let written = -1;
  const watch = setInterval(() => {
    const isStuck = res.writableLength > 0 && res.socket?.bytesWritten === written;
    if (isStuck) onClientGone();
    written = res.socket?.bytesWritten ?? -1;
  }, idleMs);
  const exit = await git.closed;
  clearInterval(watch);
  client.removeEventListener('abort', onClientGone);
  // git was stopped in the middle of its answer: a client that still waits must notice.
  if (!res.writableEnded && res.headersSent) res.destroy();
  return exit;
}

/** A failure of ours, that is: not what a user did wrong, nor what is only busy. */
export function isOurFailure(error: unknown): boolean {
  return !(error instanceof PlatformError) || (error.code === 'unavailable' && error.cause !== undefined);
}

/** An answer of git's own kind. */
export function sendResult(exchange: Pick<Exchange, 'req' | 'res'>, service: GitService, body: Buffer): Lingering {
  const { res } = exchange;
  res.statusCode = 200;
  res.setHeader('content-type', `application/x-git-${service}-result`);
  res.setHeader('cache-control', 'no-cache');
  return end(exchange, body);
}

/** An error as HTTP has it; git shows a plain text body as `remote: …` lines. */
export function sendError(exchange: Pick<Exchange, 'req' | 'res'>, error: unknown): Lingering {
  const { res } = exchange;
  const known = error instanceof PlatformError ? error : null;
  res.statusCode = known?.status ?? 500;
  res.setHeader('content-type', 'text/plain; charset=utf-8');
  if (known?.code === 'unauthorized') res.setHeader('www-authenticate', 'Basic realm="Trisiel", charset="UTF-8"');
  if (known?.retryAfterSeconds !== undefined) res.setHeader('retry-after', String(known.retryAfterSeconds));
  return end(exchange, Buffer.from(known?.code === 'unauthorized' ? `${known.message}\n` : anyErrorText(error)));
}

/** Closes the connection after `lingerMs` if the request's body is not at its end. */
type Lingering = (lingerMs: number) => void;

function end({ req, res }: Pick<Exchange, 'req' | 'res'>, body: Buffer): Lingering {
  if (req.complete) {
    res.end(body);
    return () => {};
  }
  // The rest of the body is not wanted; but closing at once would take the answer back (RFC 9112, 9.6).
  res.setHeader('connection', 'close');
  res.end(body);
  req.unpipe();
  req.resume();
  return (lingerMs) => {
    const last = setTimeout(() => req.socket.destroy(), lingerMs);
    req.socket.once('close', () => clearTimeout(last));
  };
}
