/**
 * Names, in lower case, of the header fields that belong to one connection and are not passed on (RFC 9110 section
 * 7.6.1; RFC 9113 section 8.2.2), for requests and answers.
 */
export const connectionFields: readonly string[] = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
];
