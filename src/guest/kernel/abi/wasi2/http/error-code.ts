/** Lists the error codes of wasi:http and translates failures of the network into them. */
import { option, record, variant } from '../../../../component/wit.ts';
import { Errno } from '../../../errno.ts';
import { codeOf, type NetworkFailure } from '../../../net/failure.ts';

const dnsError = record({ rcode: option('string'), 'info-code': option('u16') });
const tlsAlert = record({ 'alert-id': option('u8'), 'alert-message': option('string') });
const fieldSize = record({ 'field-name': option('string'), 'field-size': option('u32') });

export const errorCodeType = variant({
  'DNS-timeout': null,
  'DNS-error': dnsError,
  'destination-not-found': null,
  'destination-unavailable': null,
  'destination-IP-prohibited': null,
  'destination-IP-unroutable': null,
  'connection-refused': null,
  'connection-terminated': null,
  'connection-timeout': null,
  'connection-read-timeout': null,
  'connection-write-timeout': null,
  'connection-limit-reached': null,
  'TLS-protocol-error': null,
  'TLS-certificate-error': null,
  'TLS-alert-received': tlsAlert,
  'HTTP-request-denied': null,
  'HTTP-request-length-required': null,
  'HTTP-request-body-size': option('u64'),
  'HTTP-request-method-invalid': null,
  'HTTP-request-URI-invalid': null,
  'HTTP-request-URI-too-long': null,
  'HTTP-request-header-section-size': option('u32'),
  'HTTP-request-header-size': option(fieldSize),
  'HTTP-request-trailer-section-size': option('u32'),
  'HTTP-request-trailer-size': fieldSize,
  'HTTP-response-incomplete': null,
  'HTTP-response-header-section-size': option('u32'),
  'HTTP-response-header-size': fieldSize,
  'HTTP-response-body-size': option('u64'),
  'HTTP-response-trailer-section-size': option('u32'),
  'HTTP-response-trailer-size': fieldSize,
  'HTTP-response-transfer-coding': option('string'),
  'HTTP-response-content-coding': option('string'),
  'HTTP-response-timeout': null,
  'HTTP-upgrade-failed': null,
  'HTTP-protocol-error': null,
  'loop-detected': null,
  'configuration-error': null,
  'internal-error': option('string'),
});

export interface HttpErrorCode {
  readonly tag: string;
  readonly value?: unknown;
}

const byErrno: ReadonlyMap<number, HttpErrorCode> = new Map<number, HttpErrorCode>([
  [Errno.notFound, { tag: 'DNS-error', value: { rcode: null, infoCode: null } }],
  [Errno.denied, { tag: 'destination-IP-prohibited' }],
  [Errno.refused, { tag: 'connection-refused' }],
  [Errno.closed, { tag: 'connection-terminated' }],
  [Errno.timedOut, { tag: 'connection-timeout' }],
  [Errno.tooManyOpen, { tag: 'connection-limit-reached' }],
  [Errno.tooBig, { tag: 'HTTP-response-header-section-size', value: null }],
]);

/** Returns the error code of a failed request. */
export function errorCodeOf(failure: NetworkFailure): HttpErrorCode {
  const code = failure.cause === undefined ? null : (codeOf(failure.cause) ?? '');
  // undici's parser sets a code for some of its errors only.
  if (code?.startsWith('HPE_') || isParserError(failure.cause)) return { tag: 'HTTP-protocol-error' };
  if (code !== null && isCertificateCode(code)) return { tag: 'TLS-certificate-error' };
  if (code?.startsWith('ERR_SSL') || code === 'EPROTO') return { tag: 'TLS-protocol-error' };
  return byErrno.get(failure.errno) ?? { tag: 'internal-error', value: failure.message };
}

function isParserError(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'HTTPParserError';
}

/** Returns whether `code`, of an error of node:tls, says that a certificate was refused. */
function isCertificateCode(code: string): boolean {
  return /CERT|SIGNATURE|ISSUER/.test(code);
}
