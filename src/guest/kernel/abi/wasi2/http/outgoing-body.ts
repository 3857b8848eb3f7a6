/** wasi:http/types, `outgoing-body`: the body of a request or response that the component sends. */
import { borrow, func, hostResource, option, own, result } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { HttpField } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';
import { type Explain, OutputStream, outputStreamResource } from '../io/guest-streams.ts';
import { ownSinkOf, type Sink } from '../io/sink.ts';
import type { BodyPipe } from './body-pipe.ts';
import { errorCodeType } from './error-code.ts';
import { type Fields, fieldsResource, httpTypesName } from './fields.ts';

export const outgoingBodyResource = hostResource(httpTypesName, 'outgoing-body');

export interface OutgoingBodyOptions {
  readonly pipe: BodyPipe;
  /** Kind of the message, for the error code of a wrong length. */
  readonly message: 'request' | 'response';
  /** Called once, when the whole body is in the pipe. */
  readonly finished: (trailers: readonly HttpField[]) => void;
  /** Called once, in place of finished, if the body was given up: the part that was sent must not look complete. */
  readonly givenUp: (why: string) => void;
}

export class OutgoingBody extends HostObject {
  readonly what = 'outgoing-body';
  readonly options: OutgoingBodyOptions;
  isWritten = false;
  #isOver = false;
  readonly #sink: Sink;
  readonly #explain: Explain = () => ({
    text: 'the body could not be sent',
    codes: { http: this.sizeError() },
  });

  constructor(guest: Process, options: OutgoingBodyOptions) {
    super();
    this.options = options;
    // Nothing else writes to the pipe.
    this.#sink = ownSinkOf(guest, options.pipe, { isAwaited: options.message === 'response' });
  }

  stream(guest: Process): OutputStream {
    this.isWritten = true;
    return new OutputStream(guest, this.options.pipe, { parent: this, explain: this.#explain, sink: this.#sink });
  }

  /** Returns the error for a body whose length differs from the declared one. */
  sizeError(): { readonly tag: string; readonly value: bigint } {
    const { message, pipe } = this.options;
    return { tag: `HTTP-${message}-body-size`, value: BigInt(pipe.written + this.#sink.pendingBytes) };
  }

  /** Ends the body after the bytes that its stream still holds. Returns whether it has the announced length. */
  finish(guest: Process, trailers: readonly HttpField[]): boolean {
    const { pipe, finished, givenUp } = this.options;
    this.#over();
    if (pipe.contentLength !== null && pipe.written + this.#sink.pendingBytes !== pipe.contentLength) {
      givenUp('the body has another length than its Content-Length');
      return false;
    }
    if (this.#sink.pending === null) finished(trailers);
    else
      this.#sink.next(async () => {
        if (this.#sink.failed === 0 && (guest.end === null || guest.end.kind === 'exit')) finished(trailers);
      });
    return true;
  }

  override close(): undefined {
    if (this.#isOver) return;
    this.#over();
    this.options.givenUp('the component has given its body up');
  }

  #over(): void {
    this.#isOver = true;
    this.#sink.leave();
  }
}

/**
 * Returns the stream that takes the bytes of the body. Can be called once. The stream is a child of the body.
 *
 * Errors: an error the second time.
 */
const outgoingBodyWrite = witRow(
  '[method]outgoing-body.write',
  func({ self: borrow(outgoingBodyResource) }, result(own(outputStreamResource), null)),
  (guest: Process, self: OutgoingBody) => {
    if (self.isWritten) return err();
    return ok(self.stream(guest));
  },
);

/**
 * Ends the body, with `trailers` if there are any. A body that is dropped without finish is cut off, so that the
 * receiver does not take it for complete. Traps if the stream of the body has not been dropped.
 *
 * Errors: HTTP-request-body-size or HTTP-response-body-size if the length differs from the Content-Length.
 */
const outgoingBodyFinish = witRow(
  '[static]outgoing-body.finish',
  func({ this: own(outgoingBodyResource), trailers: option(own(fieldsResource)) }, result(null, errorCodeType)),
  (guest: Process, body: OutgoingBody, trailers: Fields | null) => {
    body.leave();
    trailers?.leave();
    const entries = trailers?.entries ?? [];
    trailers?.close();
    return body.finish(guest, entries) ? ok() : err(body.sizeError());
  },
);

/** Drops an outgoing-body. A body that was not finished is cut off. */
const dropOutgoingBody = dropRow(outgoingBodyResource);

export const outgoingBodyRows = [outgoingBodyWrite, outgoingBodyFinish, dropOutgoingBody];
