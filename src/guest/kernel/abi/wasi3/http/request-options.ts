/** wasi:http/types, `request-options`: time limits of a request that the component sends. */
import { borrow, func, hostResource, option, own, result, variant } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { RequestOptions as Options2 } from '../../wasi2/http/outgoing-request.ts';
import { httpTypesName } from './fields.ts';

export const requestOptionsResource = hostResource(httpTypesName, 'request-options');

type Limit = 'connectNs' | 'firstByteNs' | 'betweenBytesNs';

/** Time limits of a request in nanoseconds; null: only the deadline of the invocation. */
export class RequestLimits extends Options2 {
  readonly isMutable: boolean;

  constructor(isMutable = true) {
    super();
    this.isMutable = isMutable;
  }

  copy(isMutable: boolean): RequestLimits {
    const copy = new RequestLimits(isMutable);
    copy.connectNs = this.connectNs;
    copy.firstByteNs = this.firstByteNs;
    copy.betweenBytesNs = this.betweenBytesNs;
    return copy;
  }
}

const errorType = variant({ 'not-supported': null, immutable: null, other: option('string') });
const self = { self: borrow(requestOptionsResource) } as const;
const duration = option('u64');
const setter = func({ ...self, duration }, result(null, errorType));

function get(limit: Limit) {
  return (_guest: Process, options: RequestLimits) => options[limit];
}

function set(limit: Limit) {
  return (_guest: Process, options: RequestLimits, ns: bigint | null) => {
    if (!options.isMutable) return err({ tag: 'immutable' });
    options[limit] = ns;
    return ok();
  };
}

/** Returns request options without time limits. */
const newRequestOptions = witRow(
  '[constructor]request-options',
  func({}, own(requestOptionsResource)),
  () => new RequestLimits(),
);

/** Returns the nanoseconds within which the connection must be established; none without a limit. */
const requestOptionsGetConnectTimeout = witRow(
  '[method]request-options.get-connect-timeout',
  func(self, duration),
  get('connectNs'),
);

/**
 * Sets the nanoseconds within which the connection must be established.
 *
 * Errors: immutable the options of a request.
 */
const requestOptionsSetConnectTimeout = witRow('[method]request-options.set-connect-timeout', setter, set('connectNs'));

/** Returns the nanoseconds within which the head of the response must arrive; none without a limit. */
const requestOptionsGetFirstByteTimeout = witRow(
  '[method]request-options.get-first-byte-timeout',
  func(self, duration),
  get('firstByteNs'),
);

/**
 * Sets the nanoseconds within which the head of the response must arrive.
 *
 * Errors: immutable the options of a request.
 */
const requestOptionsSetFirstByteTimeout = witRow(
  '[method]request-options.set-first-byte-timeout',
  setter,
  set('firstByteNs'),
);

/** Returns the nanoseconds that a read of the response's body may wait; none without a limit. */
const requestOptionsGetBetweenBytesTimeout = witRow(
  '[method]request-options.get-between-bytes-timeout',
  func(self, duration),
  get('betweenBytesNs'),
);

/**
 * Sets the nanoseconds that a read of the response's body may wait.
 *
 * Errors: immutable the options of a request.
 */
const requestOptionsSetBetweenBytesTimeout = witRow(
  '[method]request-options.set-between-bytes-timeout',
  setter,
  set('betweenBytesNs'),
);

/** Returns new request options with the same limits, which can be changed. */
const requestOptionsClone = witRow(
  '[method]request-options.clone',
  func(self, own(requestOptionsResource)),
  (_guest: Process, options: RequestLimits) => options.copy(true),
);

/** Drops request-options. */
const dropRequestOptions = dropRow(requestOptionsResource);

export const requestOptionsRows = [
  newRequestOptions,
  requestOptionsGetConnectTimeout,
  requestOptionsSetConnectTimeout,
  requestOptionsGetFirstByteTimeout,
  requestOptionsSetFirstByteTimeout,
  requestOptionsGetBetweenBytesTimeout,
  requestOptionsSetBetweenBytesTimeout,
  requestOptionsClone,
  dropRequestOptions,
];
