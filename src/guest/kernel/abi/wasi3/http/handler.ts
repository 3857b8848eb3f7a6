/**
 * trisiel:http/handler: what the linker's code calls for the entry point of an HTTP component. No component imports
 * these functions: `respond` is the `task.return` of the exported function `handle`.
 */
import { httpErrorCode } from '../../../../component/http-error-code.ts';
import { func, own, result } from '../../../../component/wit.ts';
import { lifter } from '../../../canonical/lift.ts';
import { type Err, type Ok, witInterface, witRow } from '../../../canonical/row.ts';
import { StateOf } from '../../../canonical/state.ts';
import type { IncomingHttp } from '../../../incoming-http.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import { type HttpErrorCode, toldError } from '../../wasi2/http/error-code.ts';
import { Request, requestResource } from './request.ts';
import { type Response, responseResource } from './response.ts';

const answerType = result(own(responseResource), httpErrorCode);
const fromMemory = lifter(answerType);
const state = new StateOf(() => ({ isAnswered: false }));

function httpOf(guest: Process): IncomingHttp {
  const { http } = guest.options;
  if (http === undefined) throw new GuestFault('the component answers HTTP requests, and there is none');
  return http;
}

function answer(guest: Process, returned: Ok<Response> | Err<HttpErrorCode>): void {
  const call = guest.component.of(state);
  if (call.isAnswered) throw new GuestFault('the component answers twice');
  call.isAnswered = true;
  const http = httpOf(guest);
  if (returned.tag === 'err') http.fail(toldError(returned.value));
  else returned.value.answer(guest, http);
}

/** Returns the request that the Process answers. Traps if there is none. */
const request = witRow('request', func({}, own(requestResource)), (guest: Process) =>
  Request.incoming(guest, httpOf(guest)),
);

/** Answers the request, with a response or an error of the platform. Traps at a second call. */
const respond = witRow('respond', func({ result: answerType }), answer);

/** Answers the request with the result at `pointer`. */
const respondFrom = witRow(
  'respond-from',
  func({ pointer: 'u32' }),
  (guest: Process, pointer: number) =>
    answer(guest, fromMemory.load(guest, pointer) as Ok<Response> | Err<HttpErrorCode>), // fromMemory lifts this type
);

/** Traps if the request has not been answered. */
const responded = witRow('responded', func({}), (guest: Process) => {
  if (!guest.component.of(state).isAnswered) throw new GuestFault('the component ended without task.return');
});

export const handler = {
  ...witInterface('wasi3', 'trisiel:http/handler', [request, respond, respondFrom, responded]),
  isOfLinker: true,
};
