import { expect, it } from 'vitest';
import { presentAddress } from '../../../src/control/calls/call-maker.ts';

it('a stored call is made under the present name of its handler, by host name or by path as it was asked for', () => {
  const stored = (label: string | null, path: string, authority: string | null) => ({ label, path, authority });
  const kept = stored('dev--otter', '/a', 'dev--otter.localhost:3003');
  expect(presentAddress(kept, 'otter')).toEqual(kept);
  expect(presentAddress(kept, 'heron')).toEqual(stored('dev--heron', '/a', 'dev--heron.localhost:3003'));
  expect(presentAddress(stored('otter', '/a?b', 'Otter.LOCALHOST'), 'heron')).toEqual(
    stored('heron', '/a?b', 'heron.LOCALHOST'),
  );
  expect(presentAddress(stored('otter', '/otter/a?b', 'localhost:3003'), 'heron')).toEqual(
    stored('heron', '/heron/a?b', 'localhost:3003'),
  );
  expect(presentAddress(stored('otter', '/otter/a', null), 'heron')).toEqual(stored('heron', '/heron/a', null));
  expect(presentAddress(stored('dev--', '/tick', null), 'heron')).toEqual(stored('dev--heron', '/tick', null));
  expect(presentAddress(stored(null, '/', null), 'heron')).toEqual(stored('heron', '/', null));
});
