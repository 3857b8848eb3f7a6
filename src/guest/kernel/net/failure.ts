/** Describes the failure of a network operation: an Errno for the guest, a sentence for the log. */
import { Errno } from '../errno.ts';

export class NetworkFailure extends Error {
  override readonly name = 'NetworkFailure';
  readonly errno: Errno;

  constructor(errno: Errno, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.errno = errno;
  }
}

/** Errno by the code of an error of node:net, node:tls, getaddrinfo or undici. */
const errnoByCode: Readonly<Record<string, Errno>> = {
  ECONNREFUSED: Errno.refused,
  EHOSTUNREACH: Errno.refused,
  ENETUNREACH: Errno.refused,
  EHOSTDOWN: Errno.refused,
  ETIMEDOUT: Errno.timedOut,
  EAI_AGAIN: Errno.notFound,
  EAI_FAIL: Errno.notFound,
  EAI_NODATA: Errno.notFound,
  ENODATA: Errno.notFound,
  ENOTFOUND: Errno.notFound,
  EMFILE: Errno.tooManyOpen,
  ENFILE: Errno.tooManyOpen,
  ECONNRESET: Errno.closed,
  EPIPE: Errno.closed,
  ABORT_ERR: Errno.closed,
  UND_ERR_ABORTED: Errno.closed,
  UND_ERR_DESTROYED: Errno.closed,
  UND_ERR_SOCKET: Errno.closed,
  UND_ERR_HEADERS_OVERFLOW: Errno.tooBig,
};

/**
 * Returns `error` as a NetworkFailure. Its message is `what`, the name of the operation, and the engine's message.
 */
export function networkFailure(error: unknown, what: string): NetworkFailure {
  if (error instanceof NetworkFailure) return error;
  const code = codeOf(error);
  return new NetworkFailure(errnoByCode[code ?? ''] ?? Errno.unknown, `${what}: ${wordsOf(error)}`, error);
}

/** Returns the code of `error`; after attempts with several addresses, that of the last attempt. */
export function codeOf(error: unknown): string | null {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors.at(-1));
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return null;
}

function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return wordsOf(error.errors.at(-1));
  if (!(error instanceof Error)) return String(error);
  // OpenSSL's messages contain a thread id and a source path; `reason` is their useful part.
  if ('reason' in error && typeof error.reason === 'string') return error.reason;
  return error.message.split('\n', 1)[0] as string;
}
