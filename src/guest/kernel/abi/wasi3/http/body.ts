/**
 * Bodies of requests and responses: contents and trailers, of a message that is received or one that the guest makes.
 */
import { httpErrorCode } from '../../../../component/http-error-code.ts';
import { future, option, own, result, stream } from '../../../../component/wit.ts';
import { elementFor } from '../../../canonical/async/elements.ts';
import { whenValue } from '../../../canonical/async/host-read.ts';
import type { Readable } from '../../../canonical/async/shared.ts';
import { FutureSource } from '../../../canonical/async/source.ts';
import { type Err, err, type Ok, ok } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { HttpField } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import type { HttpErrorCode } from '../../wasi2/http/error-code.ts';
import type { Fields } from '../../wasi2/http/fields.ts';
import { FutureTrailers, type Incoming } from '../../wasi2/http/incoming-body.ts';
import { startPump } from '../pump.ts';
import { emptyStream, readingFrom } from '../streams.ts';
import { fieldsResource } from './fields.ts';

export const sentType = result(null, httpErrorCode);
export const trailersType = result(option(own(fieldsResource)), httpErrorCode);
export const contentsType = stream('u8');
export const trailersFuture = future(trailersType);
export const sentFuture = future(sentType);
const sentElement = elementFor(sentType);
const trailersElement = elementFor(trailersType);

export type Sent = Ok<undefined> | Err<HttpErrorCode>;
type Trailers = Ok<Fields | null> | Err<HttpErrorCode>;

/** A body that the guest makes, or passes on. */
export interface Body {
  /** Null: the message has no body. */
  readonly contents: Readable | null;
  /** Future of type trailersType. */
  readonly trailers: Readable;
  /** Takes how the sending ended. The first call decides. */
  readonly settle: (sent: Sent) => void;
}

/** Returns the body of a message that the guest makes, and the future of how its sending ended. */
export function outgoingBody(
  guest: Process,
  contents: Readable | null,
  trailers: Readable,
): { readonly body: Body; readonly sent: FutureSource } {
  const sent = new FutureSource(guest, sentElement, null);
  return { body: { contents, trailers, settle: (how) => sent.settle(how) }, sent };
}

/** Returns the body of a received message. Its trailers arrive after the contents have been read or dropped. */
export function incomingBody(guest: Process, incoming: Incoming): Body {
  const { stream: contents, ended } = readingFrom(guest, incoming.body);
  const value = async (): Promise<Trailers> => {
    const errno = await ended;
    if (errno !== 0) return err(incoming.errorCode(errno));
    const rest = new FutureTrailers(guest, incoming);
    for (let waiting = rest.readiness(); waiting !== null; waiting = rest.readiness()) await waiting;
    return rest.result();
  };
  const trailers = new FutureSource(guest, trailersElement, value, () => incoming.close());
  return { contents, trailers, settle: () => undefined };
}

/** Hands the body to the guest, which tells through `consumed` how the reading ended. */
export function consume(guest: Process, { contents, trailers, settle }: Body, consumed: Readable) {
  // The interface gives the future this type.
  whenValue(consumed, (value) => settle((value as Sent | undefined) ?? ok()));
  return [contents ?? emptyStream(guest), trailers];
}

export interface SendOptions {
  readonly scheme: string;
  readonly message: 'request' | 'response';
  /** Length that the message announces; null: none. */
  readonly contentLength: number | null;
  /** Takes bytes as Resource.write does. */
  readonly write: (bytes: Uint8Array) => number | Promise<void>;
  /** Ends the body. */
  readonly finish: (trailers: readonly HttpField[]) => void;
  /** Cuts the body off. */
  readonly breakOff: (why: string) => void;
}

/** Sends the body and its trailers. Calls `sent` once, with how that ended: at once if nothing has to be waited for. */
export function sendBody(
  guest: Process,
  { contents, trailers }: Body,
  options: SendOptions,
  sent: (how: Sent) => void,
): void {
  const { scheme, message, contentLength } = options;
  let written = 0;
  let tooMuch = 0;
  const write = (bytes: Uint8Array): number | Promise<void> => {
    if (contentLength !== null && written + bytes.length > contentLength) {
      tooMuch = bytes.length;
      return Errno.tooBig;
    }
    const taken = options.write(bytes);
    if (typeof taken === 'number' && taken > 0) written += taken;
    return taken;
  };
  const ended = (errno: number): void => {
    if (errno === Errno.tooBig || (errno === 0 && contentLength !== null && contentLength !== written)) {
      options.breakOff('the body has another length than its Content-Length');
      sent(err({ tag: `HTTP-${message}-body-size`, value: BigInt(written + tooMuch) }));
    } else if (errno !== 0) {
      options.breakOff('the body could not be sent');
      sent(err({ tag: 'connection-terminated' }));
    } else whenValue(trailers, (value) => sent(finish(value as Trailers | undefined, options))); // of trailersType
  };
  if (contents === null) ended(0);
  else startPump(guest, contents, { scheme, write, ended });
}

/** Ends a body with its trailers. */
function finish(trailers: Trailers | undefined, options: SendOptions): Sent {
  if (trailers === undefined || trailers.tag === 'err') {
    options.breakOff('the component has given its body up');
    return trailers ?? err({ tag: 'internal-error', value: 'the future of the trailers was given up' });
  }
  const entries = trailers.value?.entries ?? [];
  options.finish(entries);
  trailers.value?.close();
  return ok();
}
