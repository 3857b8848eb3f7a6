/** Lists the error codes of wasi:http and translates failures of the network into them. */
import { Errno } from '../../../errno.ts';
import { codeOf, type NetworkFailure } from '../../../net/failure.ts';

export { httpErrorCode as errorCodeType } from '../../../../component/http-error-code.ts';

export interface HttpErrorCode {
  readonly tag: string;
  readonly value?: unknown;
}

/** Most characters of what an error code carries that are logged. */
const toldCharacters = 500;

/** Returns `code` in one line for the owner's log: its name, and as JSON what the guest put into it. */
export function toldError({ tag, value }: HttpErrorCode): string {
  if (value === undefined || value === null) return tag;
  const told = JSON.stringify(value, (_name, part: unknown) => (typeof part === 'bigint' ? Number(part) : part));
  return `${tag} ${told.slice(0, toldCharacters)}`;
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

/** Messages of undici where it gives up a response that it does not take: 100 or 101, which nobody has asked for. */
const notTaken: ReadonlySet<string> = new Set(['bad response', 'bad upgrade']);

function isParserError(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'HTTPParserError' || notTaken.has(cause.message));
}

/** Returns whether `code`, of an error of node:tls, says that a certificate was refused. */
function isCertificateCode(code: string): boolean {
  return /CERT|SIGNATURE|ISSUER/.test(code);
}
