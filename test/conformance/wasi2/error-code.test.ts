/** Error codes of wasi:http for what fails in the network. */
import { describe, expect, it } from 'vitest';
import { errorCodeOf } from '../../../src/guest/kernel/abi/wasi2/http/error-code.ts';
import { Errno } from '../../../src/guest/kernel/errno.ts';
import { NetworkFailure } from '../../../src/guest/kernel/net/failure.ts';

const coded = (code: string) => Object.assign(new Error('it failed'), { code });

describe('the error code of a request', () => {
  it.each([
    ['HTTP-protocol-error', coded('HPE_INVALID_CONSTANT')],
    ['HTTP-protocol-error', Object.assign(new Error('it failed'), { name: 'HTTPParserError' })],
    ['HTTP-protocol-error', new Error('bad upgrade')],
    ['TLS-certificate-error', coded('CERT_HAS_EXPIRED')],
    ['TLS-certificate-error', coded('DEPTH_ZERO_SELF_SIGNED_CERT')],
    ['TLS-certificate-error', coded('UNABLE_TO_GET_ISSUER_CERT')],
    ['TLS-certificate-error', coded('UNABLE_TO_VERIFY_LEAF_SIGNATURE')],
    ['TLS-protocol-error', coded('ERR_SSL_WRONG_VERSION_NUMBER')],
    ['TLS-protocol-error', coded('EPROTO')],
    ['connection-terminated', coded('ECONNRESET')],
    ['connection-terminated', undefined],
  ])('is %s after %s', (tag, cause) => {
    expect(errorCodeOf(new NetworkFailure(Errno.closed, 'it failed', cause))).toEqual({ tag });
  });

  it.each([
    [Errno.notFound, 'DNS-error'],
    [Errno.denied, 'destination-IP-prohibited'],
    [Errno.refused, 'connection-refused'],
    [Errno.closed, 'connection-terminated'],
    [Errno.timedOut, 'connection-timeout'],
    [Errno.tooManyOpen, 'connection-limit-reached'],
    [Errno.tooBig, 'HTTP-response-header-section-size'],
    [Errno.invalid, 'internal-error'],
  ])('follows errno %i: %s', (errno, tag) => {
    expect(errorCodeOf(new NetworkFailure(errno, 'it failed'))).toMatchObject({ tag });
  });
});
