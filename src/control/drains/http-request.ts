/**
 * Sends one request of a drain over a connection that the egress guard has opened: to an address that was checked after
 * its name was looked up. Redirects are answers like any other, so nothing is followed.
 */
import { type IncomingMessage, request } from 'node:http';
import { parseHost } from '../../guest/kernel/net/address.ts';
import type { Egress } from '../../guest/kernel/net/egress.ts';
import { DrainFailure } from './failure.ts';

export const drainRequestLimits = {
  /** Milliseconds for the whole exchange. */
  exchangeMs: 15_000,
  /** Bytes of an answer that are read; the connection ends there. */
  answerBytes: 64 * 1024,
  /** Interim answers (RFC 9110 15.2) before the answer. They have no body and no end, so their bytes count nowhere. */
  interim: 16,
} as const;

export interface DrainRequest {
  readonly method: 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Returns the body of an answer with a status from 200 to 299. Throws DrainFailure for everything else. */
export async function send(egress: Egress, { method, url, headers, body }: DrainRequest): Promise<string> {
  const signal = AbortSignal.timeout(drainRequestLimits.exchangeMs);
  const isTls = url.protocol === 'https:';
  const host = parseHost(url.hostname);
  if (host === null) throw new DrainFailure('the host cannot be reached');
  const port = Number(url.port || (isTls ? 443 : 80));
  const tls = isTls ? { alpn: ['http/1.1'] } : null;
  const socket = await egress.connect({ host, port, tls, signal, halfOpen: false }).catch((error: unknown) => {
    throw DrainFailure.of(error);
  });
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (error: unknown): void => reject(DrainFailure.of(error));
      const late = (): void => fail(new DrainFailure(`no answer within ${drainRequestLimits.exchangeMs / 1_000} s`));
      if (signal.aborted) return late();
      signal.addEventListener('abort', late, { once: true });
      const outgoing = request({
        createConnection: () => socket,
        method,
        host: url.hostname,
        port,
        path: `${url.pathname}${url.search}`,
        headers: { ...headers, host: url.host, 'content-length': String(body.length), connection: 'close' },
      });
      outgoing.on('error', fail);
      // Without a listener the connection would end without a word.
      outgoing.on('upgrade', () => fail(new DrainFailure('status 101: the receiver changes the protocol')));
      let interim = 0;
      outgoing.on('information', () => {
        interim += 1;
        if (interim <= drainRequestLimits.interim) return;
        fail(new DrainFailure('the answer has too many interim ones before it'));
        socket.destroy();
      });
      outgoing.on('response', (response) => {
        const failure = failureOf(response);
        // What follows such a status says nothing, and may never end.
        if (failure !== null) {
          fail(failure);
          response.destroy();
          return;
        }
        const parts: Buffer[] = [];
        let bytes = 0;
        response.on('data', (part: Buffer) => {
          bytes += part.length;
          if (bytes <= drainRequestLimits.answerBytes) return void parts.push(part);
          // The first failure counts: what follows from ending it says less.
          fail(new DrainFailure('the answer is too long'));
          response.destroy();
        });
        response.on('error', fail);
        response.on('aborted', () => fail(new DrainFailure('the answer broke off')));
        response.on('end', () => resolve(Buffer.concat(parts).toString()));
      });
      outgoing.end(body);
    });
  } finally {
    socket.destroy();
  }
}

/** Returns what the head of an answer says of a failure; null for a status from 200 to 299. */
function failureOf({ statusCode: status = 0, headers }: IncomingMessage): DrainFailure | null {
  if (status >= 200 && status < 300) return null;
  const isRedirect = status >= 300 && status < 400;
  const what = isRedirect ? `status ${status}: redirects are not followed` : `status ${status}`;
  return new DrainFailure(what, { retryAfterMs: retryAfterMs(headers['retry-after']), isTooLarge: status === 413 });
}

/** Returns the milliseconds of a Retry-After in seconds, or until its date (RFC 9110 10.2.3); 0 for none. */
function retryAfterMs(field: string | undefined): number {
  if (field === undefined) return 0;
  if (/^\d+$/.test(field)) return Number(field) * 1_000;
  // A date begins with the name of a day.
  const dateMs = /^[A-Z][a-z]{2,8},? /.test(field) ? Date.parse(field) : Number.NaN;
  return Number.isNaN(dateMs) ? 0 : Math.max(0, dateMs - Date.now());
}
