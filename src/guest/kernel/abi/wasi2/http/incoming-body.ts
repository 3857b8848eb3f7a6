/** wasi:http/types, `incoming-body` and `future-trailers`: the body of a received request or response. */
import { KIB } from '../../../../../protocol/limits.ts';
import { borrow, func, hostResource, option, own, result } from '../../../../component/wit.ts';
import { dropRow, type Err, err, type Ok, ok, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { HttpField } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { isNow } from '../../../watch.ts';
import { HostObject } from '../host-object.ts';
import { InputStream, inputStreamResource } from '../io/guest-streams.ts';
import { Pollable, pollableResource } from '../io/poll.ts';
import { errorCodeType, type HttpErrorCode } from './error-code.ts';
import { Fields, fieldsResource, httpTypesName } from './fields.ts';

export const incomingBodyResource = hostResource(httpTypesName, 'incoming-body');
const futureTrailersResource = hostResource(httpTypesName, 'future-trailers');

/** Most bytes of an unread body that are read and dropped at once. */
const skippedBytes = 64 * KIB;

/** The body of a message that is being received. */
export interface Incoming {
  readonly body: Resource;
  /** Returns the trailers. May be called once the body has been read to its end. */
  trailers(): readonly HttpField[];
  /** Returns the error code of a body that failed with `errno`. */
  errorCode(errno: number): HttpErrorCode;
  /** Ends the transfer of the body. Called once. */
  close(): void;
}

export class IncomingBody extends HostObject {
  readonly what = 'incoming-body';
  readonly incoming: Incoming;
  isRead = false;
  isFinished = false;

  constructor(incoming: Incoming) {
    super();
    this.incoming = incoming;
  }

  stream(): InputStream {
    const { body } = this.incoming;
    const explain = (errno: number) => {
      const http = this.incoming.errorCode(errno);
      return { text: `reading the body failed: ${http.tag}`, codes: { http } };
    };
    return new InputStream(body, { parent: this, explain });
  }

  override close(): undefined {
    if (!this.isFinished) this.incoming.close();
    this.isFinished = true;
  }
}

/** Result of future-trailers.get at the first call after the trailers have arrived. */
type Trailers = Ok<Fields | null> | Err<HttpErrorCode>;

export class FutureTrailers extends HostObject {
  readonly what = 'future-trailers';
  readonly #guest: Process;
  readonly #incoming: Incoming;
  isTaken = false;
  /** Errno with which the body ended; 0 before. */
  #end = 0;
  #waiting: Promise<void> | null = null;

  constructor(guest: Process, incoming: Incoming) {
    super();
    this.#guest = guest;
    this.#incoming = incoming;
  }

  /** Reads and drops the rest of the body. Returns null at its end, else a promise to wait for. */
  readiness(): Promise<void> | null {
    if (this.#waiting !== null) return this.#waiting;
    if (this.#end !== 0) return null;
    const rest = Buffer.allocUnsafe(skippedBytes);
    for (;;) {
      const count = this.#incoming.body.read(rest);
      if (typeof count !== 'number') {
        const next = (): void => {
          this.#waiting = null;
        };
        this.#waiting = count.then(next, next);
        return this.#waiting;
      }
      if (count <= 0) {
        this.#end = count === 0 ? Errno.end : count;
        return null;
      }
      this.#guest.account(this.#incoming.body.scheme, count, 0);
    }
  }

  result(): Trailers {
    if (this.#end !== Errno.end) return err(this.#incoming.errorCode(this.#end));
    const trailers = this.#incoming.trailers();
    return ok(trailers.length === 0 ? null : Fields.showing(this.#guest, trailers, null));
  }

  override close(): undefined {
    this.#incoming.close();
  }
}

/** Returns the stream of the body's bytes. Can be called once. The stream is a child of the body. */
const incomingBodyStream = witRow(
  '[method]incoming-body.stream',
  func({ self: borrow(incomingBodyResource) }, result(own(inputStreamResource), null)),
  (_guest: Process, self: IncomingBody) => {
    if (self.isRead) return err();
    self.isRead = true;
    return ok(self.stream());
  },
);

/**
 * Ends the reading of a body and returns its future trailers. Unread bytes are dropped. Traps if the stream of the body
 * has not been dropped.
 */
const incomingBodyFinish = witRow(
  '[static]incoming-body.finish',
  func({ this: own(incomingBodyResource) }, own(futureTrailersResource)),
  (guest: Process, body: IncomingBody) => {
    body.leave();
    body.isFinished = true;
    return new FutureTrailers(guest, body.incoming);
  },
);

/** Drops an incoming-body. Its unread bytes are not received. */
const dropIncomingBody = dropRow(incomingBodyResource);

/** Returns a pollable that is ready when the trailers have arrived. It is a child of the future. */
const futureTrailersSubscribe = witRow(
  '[method]future-trailers.subscribe',
  func({ self: borrow(futureTrailersResource) }, own(pollableResource)),
  (_guest: Process, self: FutureTrailers) => new Pollable(self, () => self.readiness()),
);

/**
 * Returns none while the body has not ended, then the trailers (none if the message has none), and an error at the
 * second call after that.
 *
 * Errors: the error of the body.
 */
const futureTrailersGet = witRow(
  '[method]future-trailers.get',
  func(
    { self: borrow(futureTrailersResource) },
    option(result(result(option(own(fieldsResource)), errorCodeType), null)),
  ),
  (_guest: Process, self: FutureTrailers) => {
    if (self.isTaken) return err();
    if (!isNow(self.readiness())) return null;
    self.isTaken = true;
    return ok(self.result());
  },
);

/** Drops a future-trailers. */
const dropFutureTrailers = dropRow(futureTrailersResource);

export const incomingBodyRows = [
  incomingBodyStream,
  incomingBodyFinish,
  dropIncomingBody,
  futureTrailersSubscribe,
  futureTrailersGet,
  dropFutureTrailers,
];
