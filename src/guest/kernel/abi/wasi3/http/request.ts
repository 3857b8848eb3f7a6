/** wasi:http/types, `request`: the request that the component answers, or one that it makes. */
import { borrow, func, hostResource, option, own, result, tuple } from '../../../../component/wit.ts';
import type { Readable } from '../../../canonical/async/shared.ts';
import { dropRow, runOf, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { HttpField, IncomingHttp } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../../wasi2/host-object.ts';
import { Fields, isForbidden } from '../../wasi2/http/fields.ts';
import { outgoingRequestRows } from '../../wasi2/http/outgoing-request.ts';
import { methodType, optionalSchemeType } from '../../wasi2/http/request-words.ts';
import { type Body, consume, contentsType, incomingBody, outgoingBody, sentFuture, trailersFuture } from './body.ts';
import { fieldsResource, httpTypesName } from './fields.ts';
import { type RequestLimits, requestOptionsResource } from './request-options.ts';

export const requestResource = hostResource(httpTypesName, 'request');

export class Request extends HostObject {
  readonly what = 'request';
  readonly options: RequestLimits | null;
  /** Fields and body, or what makes them at their first use: many components read neither. */
  #entries: readonly HttpField[] | (() => readonly HttpField[]);
  #body: Body | (() => Body);
  method = 'GET';
  /** http, https or another scheme; null: https. */
  scheme: string | null = null;
  authority: string | null = null;
  pathWithQuery: string | null = null;

  constructor(
    entries: readonly HttpField[] | (() => readonly HttpField[]),
    body: Body | (() => Body),
    options: RequestLimits | null,
  ) {
    super();
    this.#entries = entries;
    this.#body = body;
    this.options = options;
  }

  get entries(): readonly HttpField[] {
    if (typeof this.#entries === 'function') this.#entries = this.#entries();
    return this.#entries;
  }

  get body(): Body {
    if (typeof this.#body === 'function') this.#body = this.#body();
    return this.#body;
  }

  /** Returns the request that the Process answers. */
  static incoming(guest: Process, http: IncomingHttp): Request {
    const body = (): Body =>
      incomingBody(guest, {
        body: http.body,
        trailers: () => http.trailers().filter(([name]) => !isForbidden(name)),
        errorCode: (errno) =>
          errno === Errno.tooBig ? { tag: 'HTTP-request-body-size', value: null } : { tag: 'connection-terminated' },
        // The connection belongs to the client; the unread rest of the body is dropped with the request.
        close: () => undefined,
      });
    const request = new Request(() => http.fields.filter(([name]) => !isForbidden(name)), body, null);
    request.method = http.method;
    request.scheme = http.scheme;
    request.authority = http.authority;
    request.pathWithQuery = http.pathWithQuery;
    return request;
  }

  override close(): undefined {
    const body = this.#body;
    if (typeof body === 'function') return;
    body.contents?.drop();
    body.trailers.drop();
  }
}

/** Copies `fields`, which leave the guest. */
export function takeEntries(fields: Fields): readonly HttpField[] {
  fields.leave();
  const { entries } = fields;
  fields.close();
  return entries;
}

const self = { self: borrow(requestResource) } as const;
const done = result(null, null);

/** Returns what the function of an outgoing request of WASI 0.2 does. */
function as2(name: string) {
  const row = outgoingRequestRows.find((one) => one.name === `[method]outgoing-request.${name}`);
  if (row === undefined) throw new Error(`an outgoing request has no ${name}`);
  return runOf(row);
}

/**
 * Returns a GET request with the fields `headers`, the body `contents` (none: no body) and `trailers`, without path,
 * scheme and authority; and the future of how its sending ended.
 */
const requestNew = witRow(
  '[static]request.new',
  func(
    {
      headers: own(fieldsResource),
      contents: option(contentsType),
      trailers: trailersFuture,
      options: option(own(requestOptionsResource)),
    },
    tuple(own(requestResource), sentFuture),
  ),
  (guest: Process, headers: Fields, contents: Readable | null, trailers: Readable, options: RequestLimits | null) => {
    const { body, sent } = outgoingBody(guest, contents, trailers);
    return [new Request(takeEntries(headers), body, options?.copy(false) ?? null), sent];
  },
);

/** Returns the method. */
const requestGetMethod = witRow('[method]request.get-method', func(self, methodType), as2('method'));

/**
 * Sets the method.
 *
 * Errors: an error for a text that is no method (RFC 9110 9.1).
 */
const requestSetMethod = witRow(
  '[method]request.set-method',
  func({ ...self, method: methodType }, done),
  as2('set-method'),
);

/** Returns path and query; none if they were not set, which means `/`. */
const requestGetPathWithQuery = witRow(
  '[method]request.get-path-with-query',
  func(self, option('string')),
  as2('path-with-query'),
);

/**
 * Sets path and query.
 *
 * Errors: an error for a text with characters that no URI has (RFC 3986: spaces, control characters, `#`, `<`, `>`, a
 * backtick, and those that are not of ASCII), or of more than 16,384 characters. An empty one
 * is `/`. One that begins with neither `/` nor `?` is stored, and refused when the request is sent.
 */
const requestSetPathWithQuery = witRow(
  '[method]request.set-path-with-query',
  func({ ...self, 'path-with-query': option('string') }, done),
  as2('set-path-with-query'),
);

/** Returns the scheme; none if it was not set, which means HTTPS. */
const requestGetScheme = witRow('[method]request.get-scheme', func(self, optionalSchemeType), as2('scheme'));

/**
 * Sets the scheme.
 *
 * Errors: an error for a text that is no scheme (RFC 3986 3.1).
 */
const requestSetScheme = witRow(
  '[method]request.set-scheme',
  func({ ...self, scheme: optionalSchemeType }, done),
  as2('set-scheme'),
);

/** Returns host and port; for the request that the component answers as the client wrote them. */
const requestGetAuthority = witRow('[method]request.get-authority', func(self, option('string')), as2('authority'));

/**
 * Sets host and port.
 *
 * Errors: an error for a text that is not HOST or HOST:PORT, with user information before it or without, or of more
 * than 1,024 characters. A request with user information is refused when it is sent.
 */
const requestSetAuthority = witRow(
  '[method]request.set-authority',
  func({ ...self, authority: option('string') }, done),
  as2('set-authority'),
);

/** Returns the time limits, which cannot be changed; none without limits. */
const requestGetOptions = witRow(
  '[method]request.get-options',
  func(self, option(own(requestOptionsResource))),
  (_guest: Process, { options }: Request) => options?.copy(false) ?? null,
);

/** Returns the header fields, which cannot be changed. */
const requestGetHeaders = witRow(
  '[method]request.get-headers',
  func(self, own(fieldsResource)),
  (guest: Process, { entries }: Request) => Fields.showing(guest, entries, null),
);

/**
 * Takes the request apart. Returns the contents of its body and the future of its trailers. `res` tells how the reading
 * ended, to the sender if the component has made the request itself.
 */
const requestConsumeBody = witRow(
  '[static]request.consume-body',
  func({ this: own(requestResource), res: sentFuture }, tuple(contentsType, trailersFuture)),
  (guest: Process, request: Request, consumed: Readable) => consume(guest, request.body, consumed),
);

/** Drops a request. Its body is given up. */
const dropRequest = dropRow(requestResource);

export const requestRows = [
  requestNew,
  requestGetMethod,
  requestSetMethod,
  requestGetPathWithQuery,
  requestSetPathWithQuery,
  requestGetScheme,
  requestSetScheme,
  requestGetAuthority,
  requestSetAuthority,
  requestGetOptions,
  requestGetHeaders,
  requestConsumeBody,
  dropRequest,
];
