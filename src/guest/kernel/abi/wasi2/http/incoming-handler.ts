/**
 * trisiel:http/incoming-handler: returns the arguments for `handle` to the entry point of a linked component. No
 * component imports these functions: the linker writes `handle(request(), outparam())`.
 */
import { func, own } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { IncomingHttp } from '../../../incoming-http.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';
import { IncomingRequest, incomingRequestResource } from './incoming-request.ts';
import { ResponseOutparam, responseOutparamResource } from './outgoing-response.ts';

/** Returns the request that the Process answers. Traps if there is none. */
const request = witRow(
  'request',
  func({}, own(incomingRequestResource)),
  (guest: Process) => new IncomingRequest(httpOf(guest)),
);

/** Returns the right to answer the request. Can be called once. Traps if there is no request. */
const outparam = witRow(
  'outparam',
  func({}, own(responseOutparamResource)),
  (guest: Process) => new ResponseOutparam(httpOf(guest)),
);

function httpOf(guest: Process): IncomingHttp {
  const { http } = guest.options;
  if (http === undefined) throw new GuestFault('the component answers HTTP requests, and there is none');
  return http;
}

export const incomingHandler = witInterface('wasi2', 'trisiel:http/incoming-handler', [request, outparam]);
