/** wasi:http/types, `incoming-request`: the request that the component answers. */
import { borrow, func, hostResource, option, own, result } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { IncomingHttp } from '../../../incoming-http.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';
import { Fields, fieldsResource, httpTypesName, isForbidden } from './fields.ts';
import { IncomingBody, incomingBodyResource } from './incoming-body.ts';
import { methodType, optionalSchemeType, toMethod, toScheme } from './request-words.ts';

export const incomingRequestResource = hostResource(httpTypesName, 'incoming-request');

export class IncomingRequest extends HostObject {
  readonly what = 'incoming-request';
  readonly http: IncomingHttp;
  isConsumed = false;

  constructor(http: IncomingHttp) {
    super();
    this.http = http;
  }
}

const self = { self: borrow(incomingRequestResource) } as const;

/** Returns the method of the request. */
const incomingRequestMethod = witRow(
  '[method]incoming-request.method',
  func(self, methodType),
  (_guest: Process, { http }: IncomingRequest) => toMethod(http.method),
);

/** Returns path and query of the request, exactly as they were sent. */
const incomingRequestPathWithQuery = witRow(
  '[method]incoming-request.path-with-query',
  func(self, option('string')),
  (_guest: Process, { http }: IncomingRequest) => http.pathWithQuery,
);

/** Returns the scheme of the request: HTTPS over TLS, or if a trusted proxy says so. */
const incomingRequestScheme = witRow(
  '[method]incoming-request.scheme',
  func(self, optionalSchemeType),
  (_guest: Process, { http }: IncomingRequest) => toScheme(http.scheme),
);

/** Returns host and port as the client wrote them. */
const incomingRequestAuthority = witRow(
  '[method]incoming-request.authority',
  func(self, option('string')),
  (_guest: Process, { http }: IncomingRequest) => http.authority,
);

/**
 * Returns the header fields of the request without Host and those of the connection. They are a child of the request.
 */
const incomingRequestHeaders = witRow(
  '[method]incoming-request.headers',
  func(self, own(fieldsResource)),
  (guest: Process, request: IncomingRequest) =>
    Fields.showing(
      guest,
      request.http.fields.filter(([name]) => !isForbidden(name)),
      request,
    ),
);

/**
 * Returns the body of the request. Can be called once.
 *
 * Errors: an error the second time.
 */
const incomingRequestConsume = witRow(
  '[method]incoming-request.consume',
  func(self, result(own(incomingBodyResource), null)),
  (_guest: Process, request: IncomingRequest) => {
    if (request.isConsumed) return err();
    request.isConsumed = true;
    const { http } = request;
    return ok(
      new IncomingBody({
        body: http.body,
        trailers: () => http.trailers().filter(([name]) => !isForbidden(name)),
        errorCode: (errno) =>
          errno === Errno.tooBig ? { tag: 'HTTP-request-body-size', value: null } : { tag: 'connection-terminated' },
        // The connection belongs to the client; the unread rest of the body is dropped with the request.
        close: () => undefined,
      }),
    );
  },
);

/** Drops an incoming-request. Its body can still be read. */
const dropIncomingRequest = dropRow(incomingRequestResource);

export const incomingRequestRows = [
  incomingRequestMethod,
  incomingRequestPathWithQuery,
  incomingRequestScheme,
  incomingRequestAuthority,
  incomingRequestHeaders,
  incomingRequestConsume,
  dropIncomingRequest,
];
