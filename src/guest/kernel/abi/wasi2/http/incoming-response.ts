/** wasi:http/types, `future-incoming-response` and `incoming-response`: the answer to a request of the component. */
import { borrow, func, hostResource, option, own, result } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { isNow } from '../../../watch.ts';
import { HostObject } from '../host-object.ts';
import { Pollable, pollableResource } from '../io/poll.ts';
import type { ClientCall } from './client-call.ts';
import { errorCodeType } from './error-code.ts';
import { Fields, fieldsResource, httpTypesName } from './fields.ts';
import { IncomingBody, incomingBodyResource } from './incoming-body.ts';

export const futureIncomingResponseResource = hostResource(httpTypesName, 'future-incoming-response');
const incomingResponseResource = hostResource(httpTypesName, 'incoming-response');

export class FutureIncomingResponse extends HostObject {
  readonly what = 'future-incoming-response';
  readonly call: ClientCall;
  /** Whether the guest has the response, which then keeps the connection in place of the future. */
  isTaken = false;

  constructor(call: ClientCall) {
    super();
    this.call = call;
  }

  override close(): undefined {
    if (!this.isTaken) this.call.close();
  }
}

export class IncomingResponse extends HostObject {
  readonly what = 'incoming-response';
  readonly call: ClientCall;
  readonly status: number;
  isConsumed = false;

  constructor(call: ClientCall) {
    super();
    this.call = call;
    this.status = call.exchange?.status ?? 0;
  }

  override close(): undefined {
    if (!this.isConsumed) this.call.close();
  }
}

/** Returns a pollable that is ready when the response or a failure has arrived. It is a child of the future. */
const futureIncomingResponseSubscribe = witRow(
  '[method]future-incoming-response.subscribe',
  func({ self: borrow(futureIncomingResponseResource) }, own(pollableResource)),
  (_guest: Process, self: FutureIncomingResponse) => new Pollable(self, () => self.call.readiness()),
);

/**
 * Returns none while the response has not arrived, then the response, and an error at the second call after that.
 *
 * Errors: the error code of a request that failed.
 */
const futureIncomingResponseGet = witRow(
  '[method]future-incoming-response.get',
  func(
    { self: borrow(futureIncomingResponseResource) },
    option(result(result(own(incomingResponseResource), errorCodeType), null)),
  ),
  (_guest: Process, self: FutureIncomingResponse) => {
    if (self.isTaken) return err();
    if (!isNow(self.call.readiness())) return null;
    self.isTaken = true;
    const { failure } = self.call;
    if (failure === null) return ok(ok(new IncomingResponse(self.call)));
    self.call.close();
    return ok(err(failure));
  },
);

/** Drops a future-incoming-response. A request whose response has not arrived is given up. */
const dropFutureIncomingResponse = dropRow(futureIncomingResponseResource);

/** Returns the status code. */
const incomingResponseStatus = witRow(
  '[method]incoming-response.status',
  func({ self: borrow(incomingResponseResource) }, 'u16'),
  (_guest: Process, { status }: IncomingResponse) => status,
);

/** Returns the header fields without those of the connection. They are a child of the response. */
const incomingResponseHeaders = witRow(
  '[method]incoming-response.headers',
  func({ self: borrow(incomingResponseResource) }, own(fieldsResource)),
  (guest: Process, response: IncomingResponse) => Fields.showing(guest, response.call.fields(), response),
);

/**
 * Returns the body of the response. Can be called once.
 *
 * Errors: an error the second time.
 */
const incomingResponseConsume = witRow(
  '[method]incoming-response.consume',
  func({ self: borrow(incomingResponseResource) }, result(own(incomingBodyResource), null)),
  (_guest: Process, response: IncomingResponse) => {
    if (response.isConsumed) return err();
    response.isConsumed = true;
    return ok(new IncomingBody(response.call));
  },
);

/** Drops an incoming-response. A body that was consumed can still be read. */
const dropIncomingResponse = dropRow(incomingResponseResource);

export const incomingResponseRows = [
  futureIncomingResponseSubscribe,
  futureIncomingResponseGet,
  dropFutureIncomingResponse,
  incomingResponseStatus,
  incomingResponseHeaders,
  incomingResponseConsume,
  dropIncomingResponse,
];
