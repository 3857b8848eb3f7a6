/**
 * wasi:http/client and, as an import, wasi:http/handler: send requests, under the handler's policy and the guard on
 * outbound connections.
 */
import { httpErrorCode } from '../../../../component/http-error-code.ts';
import { asyncFunc, own, result } from '../../../../component/wit.ts';
import { type Err, err, type Ok, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { Process } from '../../../process.ts';
import type { HttpErrorCode } from '../../wasi2/http/error-code.ts';
import { Fields } from '../../wasi2/http/fields.ts';
import { send as send2 } from '../../wasi2/http/outgoing-handler.ts';
import { OutgoingRequest } from '../../wasi2/http/outgoing-request.ts';
import { busyUntilCalled } from '../../wasi2/io/sink.ts';
import { type SendOptions, sendBody } from './body.ts';
import { type Request, requestResource } from './request.ts';
import { Response, responseResource } from './response.ts';

const type = asyncFunc({ request: own(requestResource) }, result(own(responseResource), httpErrorCode));

function sendRequest(guest: Process, request: Request) {
  const { cancelled } = guest.component;
  const sent = begin(guest, request);
  if (sent.tag === 'ok') return responseOf(guest, sent.value, cancelled);
  request.body.settle(sent);
  request.close();
  return sent;
}

/**
 * Sends `request` and returns the response when its head has arrived. The policy is matched against the full URL; a
 * forbidden URL ends the Process. Redirects are not followed. The method CONNECT is not possible. Trailers
 * are sent after contents without Content-Length.
 *
 * Errors: HTTP-request-method-invalid; HTTP-request-URI-invalid no authority, one with user information, a scheme other
 * than http and https, or a path that begins with neither `/` nor `?`; HTTP-request-URI-too-long more than 4,096
 * characters; HTTP-request-body-size the body has another length than its Content-Length; destination-IP-prohibited an
 * address that guests may not reach; destination-unavailable there is no network; connection-limit-reached more than 64
 * connections of the invocation; those of the connection.
 */
const send = witRow('send', type, sendRequest, { waits: true });

/**
 * Sends `request` as `send` of wasi:http/client does, with the same errors. A component that passes requests on to the
 * next handler imports this function: without a component after it, the next handler is the one that the URL names.
 */
const handle = witRow('handle', type, sendRequest, { waits: true });

function begin(guest: Process, request: Request): Ok<Call> | Err<HttpErrorCode> {
  const { body, options } = request;
  const outgoing = new OutgoingRequest(Fields.showing(guest, request.entries, null));
  outgoing.method = request.method;
  outgoing.scheme = request.scheme;
  outgoing.authority = request.authority;
  outgoing.pathWithQuery = request.pathWithQuery;
  const target = body.contents === null ? null : outgoing.body(guest);
  if (body.contents !== null && target === null) return err({ tag: 'HTTP-protocol-error' });
  const sent = send2(guest, outgoing, options);
  if (sent.tag === 'err') return sent;
  const { call } = sent.value;
  const { pipe } = outgoing;
  // Without contents the trailers are read all the same: the component may wait until they have been taken.
  const sending: SendOptions = {
    scheme: pipe?.scheme ?? 'http',
    message: 'request',
    contentLength: pipe?.contentLength ?? null,
    write: (bytes) => pipe?.write(bytes) ?? Errno.closed,
    finish: (trailers) => void target?.finish(guest, trailers),
    breakOff: (why) => call.fail({ tag: 'internal-error', value: why }),
  };
  const written = busyUntilCalled(guest);
  sendBody(guest, body, sending, (how) => {
    written();
    if (how.tag === 'err') body.settle(how);
    // A body that is held counts as sent only when its request goes out.
    else void call.begun().then((failure) => body.settle(failure === null ? how : err(failure)));
  });
  return ok(call);
}

type Call = Extract<ReturnType<typeof send2>, { readonly tag: 'ok' }>['value']['call'];

async function responseOf(
  guest: Process,
  call: Call,
  cancelled: AbortSignal | null,
): Promise<Ok<Response> | Err<HttpErrorCode>> {
  cancelled?.addEventListener('abort', () => call.close(), { once: true });
  for (let waiting = call.readiness(); waiting !== null; waiting = call.readiness()) await waiting;
  const { failure } = call;
  if (failure === null && call.exchange !== null) return ok(Response.received(guest, call));
  call.close();
  return err(failure ?? { tag: 'connection-terminated' });
}

export const client = witInterface('wasi3', 'wasi:http/client@0.3', [send]);
export const importedHandler = witInterface('wasi3', 'wasi:http/handler@0.3', [handle]);
