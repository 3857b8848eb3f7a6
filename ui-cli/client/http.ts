/**
 * Sends one request to the platform's API. Answers are bounded and parsed. An error of the platform (problem+json) is
 * thrown as the same PlatformError; any other failure as one that names the server and says what to do.
 */
import { type ErrorCode, errorStatus, PlatformError } from '../../src/protocol/errors.ts';
import { MIB } from '../../src/protocol/limits.ts';

/**
 * Milliseconds after which a request counts as hanging. Rollback, which waits for runners to compile, is the slowest.
 */
export const requestTimeoutMs = 60_000;
/** Bytes of an answer, far above the largest page of log lines. */
const answerBytesMax = 64 * MIB;

/** An error that the server reported, with the id under which the server's log has the cause. */
export class ServerError extends PlatformError {
  readonly requestId: string | null;

  constructor(code: ErrorCode, message: string, options: ServerErrorOptions) {
    super(code, message, options);
    this.requestId = options.requestId;
  }
}

interface ServerErrorOptions {
  readonly requestId: string | null;
  readonly hints?: readonly string[];
  readonly details?: readonly string[];
  readonly retryAfterSeconds?: number;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the server's base URL, beginning with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  /** Body that is sent as JSON. */
  readonly body?: unknown;
  /** Body that is sent as raw bytes, instead of `body`. */
  readonly upload?: { readonly type: string | null; readonly bytes: Uint8Array | AsyncIterable<Uint8Array> };
  readonly signal?: AbortSignal;
  /** Media type to accept; absent: JSON. */
  readonly accept?: string;
}

export interface Target {
  readonly server: string;
  readonly token: string | null;
}

/** Returns the answer's text; '' when it is empty. Throws PlatformError for every failure. */
export async function request(target: Target, asked: ApiRequest): Promise<string> {
  return call(target, asked, AbortSignal.timeout(requestTimeoutMs), readBounded);
}

/**
 * Passes the answer's bytes, decompressed, to `take` as they arrive, for transfers of any length: only the caller's
 * signal limits the time. Throws PlatformError for every failure, also in the middle of the answer.
 */
export function download(
  target: Target,
  asked: ApiRequest,
  take: (bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  return call(target, asked, null, async ({ body }) => {
    if (body !== null) await take(body);
  });
}

/** Uploads bytes of any length: like `request`, without its time limit. */
export function upload(target: Target, asked: ApiRequest): Promise<string> {
  return call(target, asked, null, readBounded);
}

async function call<T>(
  target: Target,
  asked: ApiRequest,
  timeout: AbortSignal | null,
  take: (response: Response) => Promise<T>,
): Promise<T> {
  const url = new URL(target.server + asked.path);
  for (const [key, value] of Object.entries(asked.query ?? {})) {
    if (typeof value === 'object') for (const one of value) url.searchParams.append(key, one);
    else if (value !== undefined && value !== '') url.searchParams.set(key, String(value));
  }
  const signals = [asked.signal, timeout].filter((signal) => signal !== undefined && signal !== null);
  const sent = bodyOf(asked);
  try {
    const response = await fetch(url, {
      method: asked.method,
      headers: {
        accept: asked.accept ?? 'application/json',
        ...(target.token === null ? {} : { authorization: `Bearer ${target.token}` }),
        ...(sent.type === null ? {} : { 'content-type': sent.type }),
      },
      ...(sent.body === null ? {} : { body: sent.body, duplex: 'half' }),
      // Following a redirect would send the Token to another server.
      redirect: 'manual',
      ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
    });
    if (response.ok) return await take(response);
    throw problemError(response, await readBounded(response), target.server);
  } catch (error) {
    if (error instanceof PlatformError || asked.signal?.aborted) throw error;
    throw unreachable(target.server, error);
  }
}

function bodyOf({ body, upload: sent }: ApiRequest): { readonly type: string | null; readonly body: BodyInit | null } {
  if (sent !== undefined) {
    // fetch takes any asynchronous iterable of bytes, but its types allow only streams.
    const bytes = sent.bytes instanceof Uint8Array ? Buffer.from(sent.bytes) : (sent.bytes as unknown as BodyInit);
    return { type: sent.type, body: bytes };
  }
  return body === undefined ? { type: null, body: null } : { type: 'application/json', body: JSON.stringify(body) };
}

/** Parses the answer of `server`. Throws the error of notOurs when it is not JSON. */
export function parseJson(text: string, server: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw notOurs(server, 'its answer is not JSON', error);
  }
}

/** Makes the error for an answer that does not come from this platform. */
export function notOurs(server: string, why: string, cause?: unknown): PlatformError {
  return new PlatformError('unavailable', `${server} does not answer like this platform: ${why}`, {
    hints: ['check WASMCLOUD_SERVER and that this wasmcloud has the same version as the server'],
    cause,
  });
}

async function readBounded(response: Response): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) throw new PlatformError('unavailable', 'the answer is larger than 64 MiB');
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

interface ResponseHead {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
}

/** Makes the error of a problem document; also used for the refusal of a WebSocket upgrade. */
export function problemError(response: ResponseHead, text: string, server: string): PlatformError {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retry = Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {};
  const problem = tryParse(text);
  if (typeof problem === 'object' && problem !== null && 'code' in problem && isErrorCode(problem.code)) {
    const detail = 'detail' in problem && typeof problem.detail === 'string' ? problem.detail : problem.code;
    return new ServerError(problem.code, detail, {
      requestId: 'id' in problem && typeof problem.id === 'string' ? problem.id : null,
      hints: 'hints' in problem ? strings(problem.hints) : [],
      details: 'details' in problem ? strings(problem.details) : [],
      ...retry,
    });
  }
  const firstLine = text.split('\n', 1)[0]?.slice(0, 200) ?? '';
  return new PlatformError(codeOfStatus(response.status), `${server} answered ${response.status} ${firstLine}`.trim(), {
    ...(response.status >= 300 && response.status < 400
      ? { hints: ['the server redirects; set WASMCLOUD_SERVER to the address it redirects to'] }
      : {}),
    ...retry,
  });
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorStatus, code);
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'unavailable' : 'bad_request';
}

/** Makes the error for a request without any answer: refused, no such host, timed out, cut off. */
export function unreachable(server: string, error: unknown): PlatformError {
  const code = causeCode(error);
  const local = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(server);
  const start = local ? 'start the platform with npm start' : 'check that the server is up';
  const point = 'point WASMCLOUD_SERVER at another one';
  if (code === 'ECONNREFUSED') {
    return new PlatformError('unavailable', `nothing answers at ${server} (connection refused)`, {
      hints: [`${start}, or ${point}`],
      cause: error,
    });
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new PlatformError('unavailable', `there is no host named ${new URL(server).hostname}`, {
      hints: [`check the spelling, or ${point}`],
      cause: error,
    });
  }
  if (code === 'TimeoutError') {
    return new PlatformError('unavailable', `${server} did not answer within ${requestTimeoutMs / 1000} s`, {
      hints: [`${start}, or ${point}`],
      cause: error,
    });
  }
  const why = code ?? deepestMessage(error);
  return new PlatformError('unavailable', `the connection to ${server} failed (${why})`, {
    hints: [`${start}, or ${point}`],
    cause: error,
  });
}

/** Returns the innermost message ("bad port", "other side closed") below "fetch failed". */
function deepestMessage(error: unknown): string {
  let message = String(error);
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth += 1) {
    message = current.message;
  }
  return message;
}

/** Returns the code of the cause, which fetch hides one or two levels below "fetch failed". */
function causeCode(error: unknown): string | null {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth += 1) {
    if ('code' in current && typeof current.code === 'string') return current.code;
    if (current.name === 'TimeoutError') return current.name;
    if (current instanceof AggregateError && current.errors.length > 0) return causeCode(current.errors[0]);
  }
  return null;
}
