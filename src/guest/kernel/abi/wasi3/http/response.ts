/** wasi:http/types, `response`: the answer of the component, or one that it has received. */
import { borrow, func, hostResource, option, own, result, tuple } from '../../../../component/wit.ts';
import type { Readable } from '../../../canonical/async/shared.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { HttpField, IncomingHttp } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../../wasi2/host-object.ts';
import type { ClientCall } from '../../wasi2/http/client-call.ts';
import { contentLengthOf } from '../../wasi2/http/content-length.ts';
import { Fields } from '../../wasi2/http/fields.ts';
import { busyUntilCalled } from '../../wasi2/io/sink.ts';
import {
  type Body,
  consume,
  contentsType,
  incomingBody,
  outgoingBody,
  type SendOptions,
  sendBody,
  sentFuture,
  trailersFuture,
} from './body.ts';
import { fieldsResource, httpTypesName } from './fields.ts';
import { takeEntries } from './request.ts';

export const responseResource = hostResource(httpTypesName, 'response');

export class Response extends HostObject {
  readonly what = 'response';
  readonly entries: readonly HttpField[];
  readonly body: Body;
  status: number;

  constructor(entries: readonly HttpField[], body: Body, status = 200) {
    super();
    this.entries = entries;
    this.body = body;
    this.status = status;
  }

  static received(guest: Process, call: ClientCall): Response {
    return new Response(call.fields(), incomingBody(guest, call), call.exchange?.status ?? 0);
  }

  /** Answers `http` with the response. The Process ends only after the body has been sent. */
  answer(guest: Process, http: IncomingHttp): void {
    const contentLength = contentLengthOf(this.entries);
    if (contentLength === undefined || this.status < 200) {
      http.fail('HTTP-protocol-error');
      this.body.settle(err({ tag: 'HTTP-protocol-error' }));
      this.close();
      return;
    }
    const target = http.answer(this.status, this.entries);
    const hasBody = http.method !== 'HEAD' && this.status !== 204 && this.status !== 304;
    const written = busyUntilCalled(guest);
    const options: SendOptions = {
      scheme: target.scheme,
      message: 'response',
      // The length of an answer to HEAD, or of 304, is that of another body.
      contentLength: hasBody ? contentLength : null,
      write: (bytes) => target.write(bytes),
      finish: (trailers) => http.end(trailers),
      breakOff: (why) => http.breakOff(why),
    };
    sendBody(guest, this.body, options, (how) => {
      this.body.settle(how);
      written();
    });
  }

  override close(): undefined {
    this.body.contents?.drop();
    this.body.trailers.drop();
  }
}

const self = { self: borrow(responseResource) } as const;

/**
 * Returns a response with the fields `headers`, status 200, the body `contents` (none: no body) and `trailers`; and the
 * future of how its sending ended.
 */
const responseNew = witRow(
  '[static]response.new',
  func(
    { headers: own(fieldsResource), contents: option(contentsType), trailers: trailersFuture },
    tuple(own(responseResource), sentFuture),
  ),
  (guest: Process, headers: Fields, contents: Readable | null, trailers: Readable) => {
    const { body, sent } = outgoingBody(guest, contents, trailers);
    return [new Response(takeEntries(headers), body), sent];
  },
);

/** Returns the status code. */
const responseGetStatusCode = witRow(
  '[method]response.get-status-code',
  func(self, 'u16'),
  (_guest: Process, { status }: Response) => status,
);

/**
 * Sets the status code.
 *
 * Errors: an error for a code that is not 100 to 599. A response with a code below 200 is refused when it is sent.
 */
const responseSetStatusCode = witRow(
  '[method]response.set-status-code',
  func({ ...self, 'status-code': 'u16' }, result(null, null)),
  (_guest: Process, response: Response, status: number) => {
    if (status < 100 || status > 599) return err();
    response.status = status;
    return ok();
  },
);

/** Returns the header fields, which cannot be changed. */
const responseGetHeaders = witRow(
  '[method]response.get-headers',
  func(self, own(fieldsResource)),
  (guest: Process, { entries }: Response) => Fields.showing(guest, entries, null),
);

/**
 * Takes the response apart. Returns the contents of its body and the future of its trailers. `res` tells how the
 * reading ended, to the sender if the component has made the response itself.
 */
const responseConsumeBody = witRow(
  '[static]response.consume-body',
  func({ this: own(responseResource), res: sentFuture }, tuple(contentsType, trailersFuture)),
  (guest: Process, response: Response, consumed: Readable) => consume(guest, response.body, consumed),
);

/** Drops a response. Its body is given up. */
const dropResponse = dropRow(responseResource);

export const responseRows = [
  responseNew,
  responseGetStatusCode,
  responseSetStatusCode,
  responseGetHeaders,
  responseConsumeBody,
  dropResponse,
];
