/** wasi:http/types, `outgoing-response` and `response-outparam`: the answer of the component. */
import { borrow, func, hostResource, own, result } from '../../../../component/wit.ts';
import { dropRow, type Err, err, type Ok, ok, witRow } from '../../../canonical/row.ts';
import type { HttpField, IncomingHttp } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';
import { keepBusy } from '../io/sink.ts';
import { BodyPipe } from './body-pipe.ts';
import { contentLengthOf } from './content-length.ts';
import { errorCodeType, type HttpErrorCode, toldError } from './error-code.ts';
import { Fields, fieldsResource, httpTypesName, isForbidden } from './fields.ts';
import { OutgoingBody, outgoingBodyResource } from './outgoing-body.ts';

const outgoingResponseResource = hostResource(httpTypesName, 'outgoing-response');
export const responseOutparamResource = hostResource(httpTypesName, 'response-outparam');

export class OutgoingResponse extends HostObject {
  readonly what = 'outgoing-response';
  readonly fields: Fields;
  status = 200;
  /** Pipe of the body; null while the component has not asked for the body. */
  #pipe: BodyPipe | null = null;
  #http: IncomingHttp | null = null;
  /** Why the body was given up before the response was sent; null if it was not. */
  #givenUp: string | null = null;
  #isEnded = false;

  constructor(fields: Fields) {
    super();
    this.fields = fields;
  }

  /** Returns the body; null at the second call, or if the Content-Length is no length. */
  body(guest: Process): OutgoingBody | null {
    const contentLength = contentLengthOf(this.fields.entries);
    if (this.#pipe !== null || contentLength === undefined) return null;
    const pipe = new BodyPipe(guest, {
      scheme: guest.options.stdout.scheme,
      contentLength,
      full: () => this.#warn(guest),
    });
    this.#pipe = pipe;
    return new OutgoingBody(guest, {
      pipe,
      message: 'response',
      finished: (trailers) => pipe.end(() => this.#end(trailers)),
      givenUp: (why) => {
        this.#givenUp = why;
        this.#http?.breakOff(why);
      },
    });
  }

  /** Sends the response. From now on the body flows to the client. */
  send(guest: Process, http: IncomingHttp): void {
    this.#http = http;
    const target = http.answer(this.status, this.fields.entries);
    if (this.#givenUp !== null) http.breakOff(this.#givenUp);
    else if (this.#pipe === null) this.#end([]);
    else {
      const draining = this.#pipe.attach(target);
      if (draining !== null) keepBusy(guest, draining);
    }
    this.fields.close();
  }

  override close(): undefined {
    this.fields.close();
    if (this.#http === null) this.#pipe?.close();
  }

  #end(trailers: readonly HttpField[]): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#http?.end(trailers);
  }

  #warn(guest: Process): void {
    if (this.#http === null)
      guest.report('warning', 'the body of the response waits: response-outparam.set has not been called');
  }
}

/** The right to answer the request once. */
export class ResponseOutparam extends HostObject {
  readonly what = 'response-outparam';
  readonly http: IncomingHttp;

  constructor(http: IncomingHttp) {
    super();
    this.http = http;
  }
}

const self = { self: borrow(outgoingResponseResource) } as const;

/** Returns a response with the fields `headers` and status 200. */
const newOutgoingResponse = witRow(
  '[constructor]outgoing-response',
  func({ headers: own(fieldsResource) }, own(outgoingResponseResource)),
  (_guest: Process, headers: Fields) => {
    headers.leave();
    return new OutgoingResponse(headers);
  },
);

/** Returns the status code. */
const outgoingResponseStatusCode = witRow(
  '[method]outgoing-response.status-code',
  func(self, 'u16'),
  (_guest: Process, response: OutgoingResponse) => response.status,
);

/**
 * Sets the status code.
 *
 * Errors: an error for a code that is not 200 to 999: interim responses are sent by send-informational.
 */
const outgoingResponseSetStatusCode = witRow(
  '[method]outgoing-response.set-status-code',
  func({ ...self, 'status-code': 'u16' }, result(null, null)),
  (_guest: Process, response: OutgoingResponse, status: number) => {
    if (status < 200 || status > 999) return err();
    response.status = status;
    return ok();
  },
);

/** Returns the header fields, which cannot be changed. They are a child of the response. */
const outgoingResponseHeaders = witRow(
  '[method]outgoing-response.headers',
  func(self, own(fieldsResource)),
  (guest: Process, response: OutgoingResponse) => Fields.showing(guest, response.fields.entries, response),
);

/**
 * Returns the body of the response. Can be called once. A response whose body was not asked for has none.
 *
 * Errors: an error the second time, and for a Content-Length that is no length.
 */
const outgoingResponseBody = witRow(
  '[method]outgoing-response.body',
  func(self, result(own(outgoingBodyResource), null)),
  (guest: Process, response: OutgoingResponse) => {
    const body = response.body(guest);
    return body === null ? err() : ok(body);
  },
);

/** Drops an outgoing-response that is not sent. */
const dropOutgoingResponse = dropRow(outgoingResponseResource);

/**
 * Sends an interim response with the fields `headers`. `status` is 100 to 199, except 101.
 *
 * Errors: HTTP-protocol-error another status.
 */
const responseOutparamSendInformational = witRow(
  '[method]response-outparam.send-informational',
  func(
    { self: borrow(responseOutparamResource), status: 'u16', headers: own(fieldsResource) },
    result(null, errorCodeType),
  ),
  (_guest: Process, outparam: ResponseOutparam, status: number, headers: Fields) => {
    headers.leave();
    const fields = headers.entries.filter(([name]) => !isForbidden(name));
    headers.close();
    if (status < 100 || status > 199 || status === 101) return err({ tag: 'HTTP-protocol-error' });
    outparam.http.inform(status, fields);
    return ok();
  },
);

/**
 * Answers the request with `response`, whose body may still be written; an error code answers with an error of the
 * platform.
 */
const responseOutparamSet = witRow(
  '[static]response-outparam.set',
  func({ param: own(responseOutparamResource), response: result(own(outgoingResponseResource), errorCodeType) }),
  (guest: Process, { http }: ResponseOutparam, response: Ok<OutgoingResponse> | Err<HttpErrorCode>) => {
    if (response.tag === 'err') {
      http.fail(toldError(response.value));
      return;
    }
    response.value.leave();
    response.value.send(guest, http);
  },
);

/** Drops a response-outparam. A request that is not answered when the component returns gets an error. */
const dropResponseOutparam = dropRow(responseOutparamResource);

export const outgoingResponseRows = [
  newOutgoingResponse,
  outgoingResponseStatusCode,
  outgoingResponseSetStatusCode,
  outgoingResponseHeaders,
  outgoingResponseBody,
  dropOutgoingResponse,
  responseOutparamSendInformational,
  responseOutparamSet,
  dropResponseOutparam,
];
