/** Which request fields guests see, CGI programs and components alike. */
import { expect, it } from 'vitest';
import { triggerField } from '../../src/protocol/trigger.ts';
import { isHandedOn } from '../../src/runner/cgi-request.ts';

it.each([
  [triggerField, false, false],
  ['authorization', false, true],
  ['x-forwarded-for', false, true],
  ['accept', true, true],
])('%s', (name, ofStranger, ofProxyWithAuthorization) => {
  expect(isHandedOn(name, { isProxied: false, passAuthorization: false })).toBe(ofStranger);
  expect(isHandedOn(name, { isProxied: true, passAuthorization: true })).toBe(ofProxyWithAuthorization);
});
