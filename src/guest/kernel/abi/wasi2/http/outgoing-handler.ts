/** wasi:http/outgoing-handler: sends requests, under the handler's policy and the guard on outbound connections. */
import { func, option, own, result } from '../../../../component/wit.ts';
import { type Err, err, type Ok, ok, witInterface, witRow } from '../../../canonical/row.ts';
import type { RequestHead } from '../../../net/http-request.ts';
import { requested } from '../../../net/http-requested.ts';
import { parseTarget } from '../../../net/target.ts';
import { checkPolicy, urlBytesMax } from '../../../open.ts';
import type { Process } from '../../../process.ts';
import { networkOf } from '../../../resources/network-of.ts';
import { ClientCall } from './client-call.ts';
import { errorCodeOf, errorCodeType, type HttpErrorCode } from './error-code.ts';
import { FutureIncomingResponse, futureIncomingResponseResource } from './incoming-response.ts';
import {
  type OutgoingRequest,
  outgoingRequestResource,
  type RequestOptions,
  requestOptionsResource,
} from './outgoing-request.ts';

/**
 * Sends `request`, with the time limits of `options`. Returns the future response. The policy is matched against the
 * full URL; a forbidden URL ends the Process. Redirects are not followed. The method CONNECT is not possible.
 *
 * Errors: HTTP-request-method-invalid; HTTP-request-URI-invalid no authority, one with user information, a scheme other
 * than http and https, or a path that begins with neither `/` nor `?`; HTTP-request-URI-too-long more than 4,096
 * characters; destination-IP-prohibited an address that guests may not reach; destination-unavailable there is no
 * network; connection-limit-reached more than 64 connections of the invocation.
 */
const handle = witRow(
  'handle',
  func(
    { request: own(outgoingRequestResource), options: option(own(requestOptionsResource)) },
    result(own(futureIncomingResponseResource), errorCodeType),
  ),
  (guest: Process, request: OutgoingRequest, options: RequestOptions | null) => {
    request.leave();
    options?.leave();
    const sent = send(guest, request, options);
    if (sent.tag === 'err') request.close();
    else request.fields.close();
    return sent;
  },
);

/** Starts to send `request`. Returns the future of its response, or why it cannot be sent. */
export function send(
  guest: Process,
  request: OutgoingRequest,
  limits: RequestOptions | null,
): Ok<FutureIncomingResponse> | Err<HttpErrorCode> {
  const scheme = request.scheme ?? 'https';
  if (request.method === 'CONNECT') return err({ tag: 'HTTP-request-method-invalid' });
  const path = request.pathWithQuery ?? '/';
  if ((scheme !== 'http' && scheme !== 'https') || request.authority === null || !/^(?:[/?]|\*$)/.test(path))
    return err({ tag: 'HTTP-request-URI-invalid' });
  const url = `${scheme}://${request.authority}${path === '*' ? '' : path}`;
  if (url.length > urlBytesMax) return err({ tag: 'HTTP-request-URI-too-long' });
  const target = parseTarget(`${scheme}://${request.authority}`);
  if (target === null || (path === '*' && request.method !== 'OPTIONS'))
    return err({ tag: 'HTTP-request-URI-invalid' });
  const head: RequestHead = {
    method: request.method,
    target: toLatin1(path.startsWith('?') ? `/${path}` : path),
    headers: request.fields.entries.map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
    contentLength: null,
    isChunked: false,
  };
  const found = requested(target, head);
  if (typeof found === 'string') return err({ tag: 'HTTP-request-URI-invalid' });
  for (const one of found.urls) checkPolicy(guest, one);
  const network = networkOf(guest, scheme);
  if (network === null) {
    guest.report('error', `${scheme}: there is no network here`);
    return err({ tag: 'destination-unavailable' });
  }
  const refusal = network.egress.refusal(found.origin.host, found.origin.port);
  if (refusal !== null) {
    guest.report('error', `${scheme}: ${refusal.message}`);
    return err(errorCodeOf(refusal));
  }
  if (!network.enter(guest)) return err({ tag: 'connection-limit-reached' });
  return ok(new FutureIncomingResponse(new ClientCall({ guest, network, head, requested: found, request, limits })));
}

/** Returns `text` as UTF-8, each byte as one character, which is how heads are read. */
function toLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

export const outgoingHandler = witInterface('wasi2', 'wasi:http/outgoing-handler@0.2', [handle]);
