/**
 * Implements asynchronous HTTP (RFC 7240, `Prefer: respond-async`): passes a request to control, which makes the call
 * later, and answers 202; shows state and answer of such calls. The id in a call's address gives access to it: 128
 * random bits, valid for one handler. Ids of earlier versions have base64url's letters.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { connectionFields } from '../guest/kernel/net/connection-fields.ts';
import { type CallRequest, callsPath, ownSegment, retryVariable } from '../protocol/call-request.ts';
import { PlatformError } from '../protocol/errors.ts';
import { callLimits } from '../protocol/limits.ts';
import type { ByteBudget } from '../waiting/byte-budget.ts';
import { FairPlaces } from '../waiting/fair-places.ts';
import { isHandedOn } from './cgi-request.ts';
import { ControlAway } from './control-link.ts';
import { asyncLimits } from './limits.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import { declaredBytes } from './request-body.ts';
import type { Address } from './routes.ts';
import type { RunnerServices } from './services.ts';
import { withoutForeign } from './shared-origin.ts';

/** A request for an asynchronous call, or for its state. */
interface Asked {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly address: Address;
  readonly deployment: LoadedDeployment;
}

/** Request fields that are not kept with a call: those of one connection, which are made anew when the call is made. */
const ofConnection = new Set([...connectionFields, 'content-length', 'expect', 'host', 'te', 'trailer']);

/** Returns whether a caller prefers an asynchronous answer. `field`: the Prefer fields, several joined with commas. */
export function prefersAsync(field: string | string[] | undefined): boolean {
  if (field === undefined) return false;
  const text = (typeof field === 'string' ? field : field.join(',')).replace(/"(?:[^"\\]|\\.)*"/g, '""');
  return text.split(',').some((preference) => /^[ \t]*respond-async[ \t]*(?:;|$)/i.test(preference));
}

/** Returns whether a path, percent-encoded as received, has a segment that belongs to the platform. */
export function isOwnPath(path: string): boolean {
  if (!/trisiel|%/i.test(path)) return false;
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return decoded.toLowerCase().split(/[/\\]/).includes(ownSegment);
}

export class AsyncCalls {
  readonly #services: RunnerServices;
  /** Places for requests that are being received or stored, shared by the owners of the functions. */
  readonly #accepting = new FairPlaces(asyncLimits.accepting);

  constructor(services: RunnerServices) {
    this.#services = services;
  }

  /**
   * Passes a request to control and answers 202. Throws `overloaded`, `body_too_large`, `bad_request`,
   * `request_timeout`, `unavailable` (control cannot be reached), and the errors of control.
   */
  async accept(asked: Asked, expectsContinue: boolean): Promise<void> {
    const { request, response, address, deployment } = asked;
    const { ownerId } = deployment.spec;
    if (this.#accepting.room(ownerId) === 0) throw overloaded();
    const most = Math.min(callLimits.bodyBytes, deployment.spec.limits.bodyBytes);
    if ((declaredBytes(request) ?? 0) > most) throw tooLarge(most);
    const made = requestOf(asked, this.#services);
    this.#accepting.take(ownerId, 1);
    try {
      if (expectsContinue) response.writeContinue();
      const body = await receiveBody(request, most, this.#services.bodies);
      const callId = randomBytes(16).toString('hex');
      await deployment.services.calls
        .accept({ id: callId, request: made, body, attemptsMax: attemptsOf(deployment.spec.env[retryVariable]) })
        .catch(away);
      const url = `${address.scriptName}${callsPath}${callId}`;
      const text = JSON.stringify({ id: callId, state: 'ready', url });
      send(asked, 202, ['location', url, 'preference-applied', 'respond-async', 'retry-after', '1'], text);
    } finally {
      this.#accepting.give(ownerId, 1);
    }
  }

  /**
   * Answers a request for a path of the platform: the state of an asynchronous call, or its answer. Throws `not_found`
   * for any other path: paths for calls by the platform cannot be called from outside.
   */
  async show(asked: Asked): Promise<void> {
    const { request, address, deployment } = asked;
    const [, id, rest] = /^([\w-]{32})(\/answer)?$/.exec(address.path.slice(callsPath.length)) ?? [];
    if (!address.path.startsWith(callsPath) || id === undefined)
      throw new PlatformError('not_found', 'This path belongs to the platform, and there is nothing here.');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new PlatformError('method_not_allowed', 'This path takes GET and HEAD.');
    const { calls } = deployment.services;
    if (rest === undefined) {
      // Control has written it (CallView).
      const state = JSON.parse(Buffer.from(await calls.show(id).catch(away)).toString()) as {
        readonly endedMs: number | null;
        readonly status: number | null;
      };
      const answer = state.status === null ? null : `${address.scriptName}${callsPath}${id}/answer`;
      send(asked, 200, state.endedMs === null ? ['retry-after', '1'] : [], JSON.stringify({ ...state, answer }));
      return;
    }
    const stored = Buffer.from(await calls.answer(id).catch(away));
    const end = stored.indexOf(10);
    // Control has written it (StoredAnswer).
    const head = JSON.parse(stored.subarray(0, end).toString()) as {
      readonly status: number;
      readonly fields: readonly (readonly [string, string])[];
    };
    const { headers } = withoutForeign(head.fields.flat(), address);
    const hasBody = head.status !== 204 && head.status !== 304;
    const body = stored.subarray(end + 1);
    const length = hasBody ? ['content-length', String(body.length)] : [];
    asked.response.writeHead(head.status, [...headers, ...length, 'trisiel-invocation', asked.id]);
    asked.response.end(hasBody && request.method !== 'HEAD' ? body : undefined);
  }
}

function requestOf({ request, address, deployment }: Asked, { proxies, isHttps }: RunnerServices): CallRequest {
  const { spec } = deployment;
  const path = `${address.scriptName}${address.path}${address.query === '' ? '' : `?${address.query}`}`;
  if (!/^[!-~]*$/.test(path))
    throw new PlatformError('bad_request', 'A path must be percent-encoded to be called later.');
  const fields: [string, string][] = [];
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = (request.rawHeaders[index] as string).toLowerCase();
    // isProxied is false: the forwarding fields of a proxy are dropped, since the later call does not come from the
    // proxy and variables hold the same facts.
    const isKept = isHandedOn(name, { isProxied: false, passAuthorization: spec.passAuthorization });
    if (isKept && !ofConnection.has(name)) fields.push([name, request.rawHeaders[index + 1] as string]);
  }
  const client = proxies.clientOf(request.socket.remoteAddress, request.headers);
  const scheme = client.scheme ?? (isHttps ? 'https' : 'http');
  return {
    method: request.method ?? 'GET',
    path: path.startsWith('/') ? path : `/${path}`,
    label: address.label,
    authority: address.authority === '' ? null : address.authority,
    fields,
    env: {
      TRISIEL_TRIGGER: 'async',
      REMOTE_ADDR: client.address,
      REQUEST_SCHEME: scheme,
      ...(scheme === 'https' ? { HTTPS: 'on' } : {}),
    },
    timeoutMs: spec.limits.timeoutMs,
  };
}

/**
 * Reads a body of at most `most` bytes. Throws `body_too_large`, `overloaded`, `bad_request` when the body is cut off,
 * and `request_timeout` when it takes longer than asyncLimits.receiveMs.
 */
export function receiveBody(request: Readable, most: number, budget: ByteBudget): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let held = 0;
    const settle = (error: PlatformError | null): void => {
      clearTimeout(late);
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      budget.give(held);
      if (error === null) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      const hasRoom = bytes <= most && budget.take(chunk.length);
      if (hasRoom) {
        held += chunk.length;
        chunks.push(chunk);
      } else settle(bytes > most ? tooLarge(most) : overloaded());
    };
    const onEnd = (): void => settle(null);
    const onClose = (): void => settle(new PlatformError('bad_request', 'The request was cut off.'));
    const late = setTimeout(
      () => settle(new PlatformError('request_timeout', 'The request did not arrive in time.')),
      asyncLimits.receiveMs,
    );
    request.on('data', onData).on('end', onEnd).on('close', onClose);
    if (request.destroyed && !request.readableEnded) onClose();
  });
}

/** Returns the number of attempts set by a handler's TRISIEL_RETRY; 1 when it sets none, or something else. */
export function attemptsOf(retry: string | undefined): number {
  const attempts = /^\d+$/.test(retry ?? '') ? Number(retry) : 1;
  return Math.min(callLimits.attempts, Math.max(1, attempts));
}

function send({ request, response, id }: Asked, status: number, fields: readonly string[], text: string): void {
  response.writeHead(status, [
    ...['content-type', 'application/json', 'content-length', String(Buffer.byteLength(text))],
    ...['cache-control', 'no-store', 'trisiel-invocation', id, ...fields],
  ]);
  response.end(request.method === 'HEAD' ? undefined : text);
}

function away(error: unknown): never {
  if (!(error instanceof ControlAway)) throw error;
  throw new PlatformError('unavailable', 'Asynchronous calls cannot be reached while control is away; try again.', {
    retryAfterSeconds: 1,
    cause: error,
  });
}

function tooLarge(most: number): PlatformError {
  return new PlatformError('body_too_large', `The body of an asynchronous request has at most ${most} bytes here.`);
}

function overloaded(): PlatformError {
  return new PlatformError('overloaded', 'Too many asynchronous requests are being received.', {
    retryAfterSeconds: 1,
  });
}
