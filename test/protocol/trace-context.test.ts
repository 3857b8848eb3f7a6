/** The field traceparent: what is read, and what is ignored (W3C Trace Context, sections 3.2 and 4). */
import { expect, it } from 'vitest';
import { readTraceparent, traceparentOf } from '../../src/protocol/trace-context.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';

it('is read and written', () => {
  expect(readTraceparent(`00-${trace}-${span}-01`)).toEqual({ traceId: trace, spanId: span, isSampled: true });
  expect(readTraceparent(`00-${trace}-${span}-fe`)?.isSampled).toBe(false);
  // A later version may have more parts.
  expect(readTraceparent(`cc-${trace}-${span}-01-what-comes`)?.traceId).toBe(trace);
  expect(traceparentOf({ traceId: trace, spanId: span, isSampled: true })).toBe(`00-${trace}-${span}-01`);
});

it.each([
  undefined,
  '',
  'x',
  `ff-${trace}-${span}-01`,
  `00-${trace}-${span}-01-more`,
  `00-${'0'.repeat(32)}-${span}-01`,
  `00-${trace}-${'0'.repeat(16)}-01`,
  `00-${trace.toUpperCase()}-${span}-01`,
  `00-${trace.slice(1)}-${span}-01`,
  `00-${trace}-${span}-1`,
  ` 00-${trace}-${span}-01`,
  `cc-${trace}-${span}-01${'-x'.repeat(500)}`,
])('%j is none', (field) => {
  expect(readTraceparent(field)).toBeNull();
});
