/** wasi:http/types, `outgoing-request` and `request-options`: a request that the component sends. */
import { borrow, func, hostResource, option, own, result } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { HttpField } from '../../../incoming-http.ts';
import { parseAuthority } from '../../../net/target.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';
import { BodyPipe } from './body-pipe.ts';
import { contentLengthOf } from './content-length.ts';
import { Fields, fieldsResource, httpTypesName } from './fields.ts';
import { OutgoingBody, outgoingBodyResource } from './outgoing-body.ts';
import {
  fromMethod,
  fromScheme,
  methodType,
  optionalSchemeType,
  toMethod,
  toScheme,
  type Word,
} from './request-words.ts';

export const outgoingRequestResource = hostResource(httpTypesName, 'outgoing-request');
export const requestOptionsResource = hostResource(httpTypesName, 'request-options');

/** Events of a request's body, for the call that sends the request. */
export interface BodyEvents {
  /** Sends the request: its body has ended, or more of the body was written than can be held. */
  ready(): void;
  /** Fails the call: the body was given up before its end, for the reason `why`. */
  givenUp(why: string): void;
}

export class OutgoingRequest extends HostObject {
  readonly what = 'outgoing-request';
  readonly fields: Fields;
  method = 'GET';
  /** http, https or another scheme; null: https. */
  scheme: string | null = null;
  authority: string | null = null;
  pathWithQuery: string | null = null;
  /** Pipe of the body; null while the component has not asked for the body. */
  pipe: BodyPipe | null = null;
  /** Trailers of the body; empty until it has ended. */
  trailers: readonly HttpField[] = [];
  /** Why the body was given up before the request was sent; null if it was not. */
  bodyGivenUp: string | null = null;
  /** Receiver of the body's events, set by the call that sends the request. */
  events: BodyEvents | null = null;

  constructor(fields: Fields) {
    super();
    this.fields = fields;
  }

  /** Makes the body. Returns null if the component has it already, or Content-Length is malformed. */
  body(guest: Process): OutgoingBody | null {
    const contentLength = contentLengthOf(this.fields.entries);
    if (this.pipe !== null || contentLength === undefined) return null;
    const pipe = new BodyPipe(guest, {
      scheme: this.scheme ?? 'https',
      contentLength,
      full: () => this.events?.ready(),
    });
    this.pipe = pipe;
    return new OutgoingBody(guest, {
      pipe,
      message: 'request',
      finished: (trailers) => {
        this.trailers = trailers;
        pipe.end(() => undefined);
        this.events?.ready();
      },
      givenUp: (why) => {
        this.bodyGivenUp = why;
        this.events?.givenUp(why);
      },
    });
  }

  override close(): undefined {
    this.fields.close();
    if (this.events === null) this.pipe?.close();
  }
}

/** Time limits of a request in nanoseconds; null: only the deadline of the invocation. */
export class RequestOptions extends HostObject {
  readonly what = 'request-options';
  connectNs: bigint | null = null;
  firstByteNs: bigint | null = null;
  betweenBytesNs: bigint | null = null;
}

/** Most characters of path and query, and of the authority: each request of the guest keeps them in the host. */
const pathCharsMax = 16_384;
/**
 * Matches characters of a path and query, with those that many clients send as they are: `"`, `[`, `\`, `]`, `^`, `{`,
 * `|`, `}`.
 */
const pathPattern = /^[!"$-;=?-_a-~]*$/;
const authorityCharsMax = 1_024;

// Matches user information (RFC 3986 3.2.1) and what ends it.
const userInformation = /^[0-9A-Za-z._~!$&'()*+,;=:%-]*@/;

const self = { self: borrow(outgoingRequestResource) } as const;
const done = result(null, null);

/** Returns a GET request with the fields `headers`, without path, scheme and authority. */
const newOutgoingRequest = witRow(
  '[constructor]outgoing-request',
  func({ headers: own(fieldsResource) }, own(outgoingRequestResource)),
  (_guest: Process, headers: Fields) => {
    headers.leave();
    return new OutgoingRequest(headers);
  },
);

/**
 * Returns the body of the request. Can be called once. A request whose body was not asked for has none.
 *
 * Errors: an error the second time, and for a Content-Length that is no length.
 */
const outgoingRequestBody = witRow(
  '[method]outgoing-request.body',
  func(self, result(own(outgoingBodyResource), null)),
  (guest: Process, request: OutgoingRequest) => {
    const body = request.body(guest);
    return body === null ? err() : ok(body);
  },
);

/** Returns the method. */
const outgoingRequestMethod = witRow(
  '[method]outgoing-request.method',
  func(self, methodType),
  (_guest: Process, request: OutgoingRequest) => toMethod(request.method),
);

/**
 * Sets the method.
 *
 * Errors: an error for a text that is no method (RFC 9110 9.1).
 */
const outgoingRequestSetMethod = witRow(
  '[method]outgoing-request.set-method',
  func({ ...self, method: methodType }, done),
  (_guest: Process, request: OutgoingRequest, method: Word) => {
    const text = fromMethod(method);
    if (text === null) return err();
    request.method = text;
    return ok();
  },
);

/** Returns path and query; none if they were not set, which means `/`. */
const outgoingRequestPathWithQuery = witRow(
  '[method]outgoing-request.path-with-query',
  func(self, option('string')),
  (_guest: Process, request: OutgoingRequest) => request.pathWithQuery,
);

/**
 * Sets path and query.
 *
 * Errors: an error for a text with characters that no URI has (RFC 3986: spaces, control characters, `#`, `<`, `>`, a
 * backtick, and those that are not of ASCII), or of more than 16,384 characters. An empty one
 * is `/`. One that begins with neither `/` nor `?` is stored, and refused when the request is sent.
 */
const outgoingRequestSetPathWithQuery = witRow(
  '[method]outgoing-request.set-path-with-query',
  func({ ...self, 'path-with-query': option('string') }, done),
  (_guest: Process, request: OutgoingRequest, path: string | null) => {
    if (path !== null && (path.length > pathCharsMax || !pathPattern.test(path))) return err();
    request.pathWithQuery = path === '' ? '/' : path;
    return ok();
  },
);

/** Returns the scheme; none if it was not set, which means HTTPS. */
const outgoingRequestScheme = witRow(
  '[method]outgoing-request.scheme',
  func(self, optionalSchemeType),
  (_guest: Process, request: OutgoingRequest) => (request.scheme === null ? null : toScheme(request.scheme)),
);

/**
 * Sets the scheme.
 *
 * Errors: an error for a text that is no scheme (RFC 3986 3.1).
 */
const outgoingRequestSetScheme = witRow(
  '[method]outgoing-request.set-scheme',
  func({ ...self, scheme: optionalSchemeType }, done),
  (_guest: Process, request: OutgoingRequest, scheme: Word | null) => {
    const text = scheme === null ? null : fromScheme(scheme);
    if (text === null && scheme !== null) return err();
    request.scheme = text;
    return ok();
  },
);

/** Returns host and port. */
const outgoingRequestAuthority = witRow(
  '[method]outgoing-request.authority',
  func(self, option('string')),
  (_guest: Process, request: OutgoingRequest) => request.authority,
);

/**
 * Sets host and port.
 *
 * Errors: an error for a text that is not HOST or HOST:PORT, with user information before it or without, or of more
 * than 1,024 characters. A request with user information is refused when it is sent.
 */
const outgoingRequestSetAuthority = witRow(
  '[method]outgoing-request.set-authority',
  func({ ...self, authority: option('string') }, done),
  (_guest: Process, request: OutgoingRequest, authority: string | null) => {
    if (
      authority !== null &&
      (authority.length > authorityCharsMax || parseAuthority(authority.replace(userInformation, ''), 'https') === null)
    )
      return err();
    request.authority = authority;
    return ok();
  },
);

/** Returns the header fields, which cannot be changed. They are a child of the request. */
const outgoingRequestHeaders = witRow(
  '[method]outgoing-request.headers',
  func(self, own(fieldsResource)),
  (guest: Process, request: OutgoingRequest) => Fields.showing(guest, request.fields.entries, request),
);

/** Drops an outgoing-request that is not sent. */
const dropOutgoingRequest = dropRow(outgoingRequestResource);

const options = { self: borrow(requestOptionsResource) } as const;
const duration = option('u64');

/** Returns request options without time limits. */
const newRequestOptions = witRow(
  '[constructor]request-options',
  func({}, own(requestOptionsResource)),
  () => new RequestOptions(),
);

/** Returns the nanoseconds within which the connection must be established; none without a limit. */
const requestOptionsConnectTimeout = witRow(
  '[method]request-options.connect-timeout',
  func(options, duration),
  (_guest: Process, { connectNs }: RequestOptions) => connectNs,
);

/** Sets the nanoseconds within which the connection must be established. */
const requestOptionsSetConnectTimeout = witRow(
  '[method]request-options.set-connect-timeout',
  func({ ...options, duration }, done),
  (_guest: Process, self: RequestOptions, ns: bigint | null) => {
    self.connectNs = ns;
    return ok();
  },
);

/** Returns the nanoseconds within which the head of the response must arrive; none without a limit. */
const requestOptionsFirstByteTimeout = witRow(
  '[method]request-options.first-byte-timeout',
  func(options, duration),
  (_guest: Process, { firstByteNs }: RequestOptions) => firstByteNs,
);

/** Sets the nanoseconds within which the head of the response must arrive. */
const requestOptionsSetFirstByteTimeout = witRow(
  '[method]request-options.set-first-byte-timeout',
  func({ ...options, duration }, done),
  (_guest: Process, self: RequestOptions, ns: bigint | null) => {
    self.firstByteNs = ns;
    return ok();
  },
);

/** Returns the nanoseconds that a read of the response's body may wait; none without a limit. */
const requestOptionsBetweenBytesTimeout = witRow(
  '[method]request-options.between-bytes-timeout',
  func(options, duration),
  (_guest: Process, { betweenBytesNs }: RequestOptions) => betweenBytesNs,
);

/** Sets the nanoseconds that a read of the response's body may wait. */
const requestOptionsSetBetweenBytesTimeout = witRow(
  '[method]request-options.set-between-bytes-timeout',
  func({ ...options, duration }, done),
  (_guest: Process, self: RequestOptions, ns: bigint | null) => {
    self.betweenBytesNs = ns;
    return ok();
  },
);

/** Drops request-options. */
const dropRequestOptions = dropRow(requestOptionsResource);

export const outgoingRequestRows = [
  newOutgoingRequest,
  outgoingRequestBody,
  outgoingRequestMethod,
  outgoingRequestSetMethod,
  outgoingRequestPathWithQuery,
  outgoingRequestSetPathWithQuery,
  outgoingRequestScheme,
  outgoingRequestSetScheme,
  outgoingRequestAuthority,
  outgoingRequestSetAuthority,
  outgoingRequestHeaders,
  dropOutgoingRequest,
  newRequestOptions,
  requestOptionsConnectTimeout,
  requestOptionsSetConnectTimeout,
  requestOptionsFirstByteTimeout,
  requestOptionsSetFirstByteTimeout,
  requestOptionsBetweenBytesTimeout,
  requestOptionsSetBetweenBytesTimeout,
  dropRequestOptions,
];
