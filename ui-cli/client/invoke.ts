/** Calls a handler at its own URL, like any client of the function. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';

export interface InvokeOptions {
  /** URL of the handler. */
  readonly url: string;
  /** Path and query below the handler's URL. */
  readonly path: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | null;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Answer headers, in the order in which they arrived. */
  readonly headers: readonly (readonly [string, string])[];
  /** Id of the invocation; null when another server than the platform answered. */
  readonly invocation: string | null;
  /** Milliseconds until the answer's head arrived. */
  readonly headMs: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends the request; resolves when the answer's head has arrived. Throws PlatformError when no server answers. */
export function invoke(options: InvokeOptions): Promise<Answer> {
  const url = invocationUrl(options.url, options.path);
  // RFC 6761, 6.3: *.localhost is this machine. Few resolvers support it, so the client connects to localhost and sends
  // the name in Host.
  const onThisMachine = url.hostname === 'localhost' || url.hostname.endsWith('.localhost');
  const startedMs = performance.now();
  const make = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(options.signal?.aborted ? options.signal.reason : failure(url, error));
    try {
      const sent = make(
        {
          host: onThisMachine ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, ''),
          port: url.port,
          path: url.pathname + url.search,
          method: options.method,
          headers: requestHeaders(url, options),
          signal: options.signal,
        },
        (response) => {
          const headers: [string, string][] = [];
          for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
            headers.push([response.rawHeaders[i] ?? '', response.rawHeaders[i + 1] ?? '']);
          }
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            headers,
            invocation: response.headers['trisiel-invocation']?.toString() ?? null,
            headMs: performance.now() - startedMs,
            body: response,
          });
        },
      );
      sent.on('error', fail);
      sent.end(options.body ?? undefined);
    } catch (error) {
      // node:http checks the method and header values before it sends anything.
      reject(new PlatformError('bad_request', messageOf(error), { cause: error }));
    }
  });
}

/**
 * Returns the URL of `path` below `base`. `path`: with or without a leading slash, may contain a query. Throws
 * `bad_request` if it is none.
 */
export function invocationUrl(base: string, path: string): URL {
  const url = new URL(base);
  const below = url.pathname.replace(/\/+$/, '');
  const target = URL.parse(url.origin + below + (path.startsWith('/') ? path : `/${path}`));
  if (target === null) throw new PlatformError('bad_request', `${JSON.stringify(path)} is not a path`);
  return target;
}

/** Parses `Name: value`, the syntax of curl -H. Throws `bad_request` for any other text. */
export function parseHeader(text: string): readonly [string, string] {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/.exec(text);
  if (match === null) {
    throw new PlatformError('bad_request', `${JSON.stringify(text)} is no header`, {
      hints: ['write it as "Name: value"'],
    });
  }
  return [match[1] ?? '', (match[2] ?? '').trimEnd()];
}

function requestHeaders(url: URL, { headers, body }: InvokeOptions): Record<string, string | string[]> {
  const all = new Map<string, string[]>([['Host', [url.host]]]);
  const set = (name: string, value: string) => {
    const known = [...all.keys()].find((key) => key.toLowerCase() === name.toLowerCase());
    if (known === undefined || known === 'Host') all.set(known ?? name, [value]);
    else all.get(known)?.push(value);
  };
  for (const [name, value] of headers) set(name, value);
  const has = (name: string) => [...all.keys()].some((key) => key.toLowerCase() === name);
  if (!has('user-agent')) all.set('User-Agent', ['wasmcloud']);
  if (body !== null && !has('content-length')) all.set('Content-Length', [String(body.byteLength)]);
  return Object.fromEntries([...all].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]));
}

function failure(url: URL, error: unknown): PlatformError {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ECONNREFUSED') {
    return new PlatformError('unavailable', `nothing answers at ${url.origin} (connection refused)`, {
      hints: ['the port of functions is closed: is the platform running? npm start'],
      cause: error,
    });
  }
  const why = messageOf(error);
  return new PlatformError('unavailable', `the call of ${url.origin} failed: ${why}`, { cause: error });
}
