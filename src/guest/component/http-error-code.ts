/** The type error-code of wasi:http, the same in 0.2 and 0.3: the entry point of 0.3 returns it. */
import { option, record, variant } from './wit.ts';

const dnsError = record({ rcode: option('string'), 'info-code': option('u16') });
const tlsAlert = record({ 'alert-id': option('u8'), 'alert-message': option('string') });
const fieldSize = record({ 'field-name': option('string'), 'field-size': option('u32') });

export const httpErrorCode = variant({
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
