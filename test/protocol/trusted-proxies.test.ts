import { describe, expect, it } from 'vitest';
import { TrustedProxies } from '../../src/protocol/trusted-proxies.ts';

const proxies = TrustedProxies.parse('10.0.0.0/8, 127.0.0.1, 2001:db8::/64');
const clientOf = (peer: string | undefined, headers: Record<string, string | string[]> = {}) =>
  proxies.clientOf(peer, headers);

describe('the client of a request', () => {
  it('is the peer where that is no proxy, whatever its headers say', () => {
    const headers = {
      'x-forwarded-for': '192.0.2.9',
      forwarded: 'for=192.0.2.9;proto=https',
      'x-forwarded-proto': 'https',
    };
    expect(clientOf('198.51.100.7', headers)).toEqual({ address: '198.51.100.7', scheme: null });
    expect(TrustedProxies.none.clientOf('127.0.0.1', headers)).toEqual({ address: '127.0.0.1', scheme: null });
    expect(clientOf(undefined, headers)).toEqual({ address: '', scheme: null });
  });

  it.each([
    ['one proxy', { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' }, '192.0.2.1', 'https'],
    ['a client that lies in front', { 'x-forwarded-for': '1.1.1.1, 192.0.2.1' }, '192.0.2.1', null],
    [
      'two proxies of ours',
      { 'x-forwarded-for': '192.0.2.1, 10.1.2.3', 'x-forwarded-proto': 'https, http' },
      '192.0.2.1',
      'https',
    ],
    ['a port', { 'x-forwarded-for': '192.0.2.1:4711' }, '192.0.2.1', null],
    ['IPv6', { 'x-forwarded-for': '2001:db8:1::7' }, '2001:db8:1::7', null],
    ['a mapped address', { 'x-forwarded-for': '::ffff:192.0.2.1' }, '192.0.2.1', null],
    ['no header', {}, '127.0.0.1', null],
    ['rubbish', { 'x-forwarded-for': 'unknown', 'x-forwarded-proto': 'gopher' }, '127.0.0.1', null],
    ['repeated fields', { 'x-forwarded-for': ['1.1.1.1', '192.0.2.1'] }, '192.0.2.1', null],
    ['Forwarded', { forwarded: 'for=192.0.2.1;proto=HTTPS;by=_x' }, '192.0.2.1', 'https'],
    ['Forwarded, quoted', { forwarded: 'For="[2001:db8:2::1]:80" ; Proto="https"' }, '2001:db8:2::1', 'https'],
    ['Forwarded, a comma in quotes', { forwarded: 'for="1.1.1.1, for=9.9.9.9", for=192.0.2.1' }, '192.0.2.1', null],
    ['Forwarded, hidden', { forwarded: 'for=_secret;proto=https' }, '127.0.0.1', 'https'],
    [
      'both: Forwarded is the standard',
      { forwarded: 'for=192.0.2.1', 'x-forwarded-for': '1.1.1.1' },
      '192.0.2.1',
      null,
    ],
    ['only proxies', { 'x-forwarded-for': '10.0.0.1, 10.0.0.2' }, '10.0.0.1', null],
  ])('behind a proxy: %s', (_title, headers, address, scheme) => {
    expect(clientOf('127.0.0.1', headers)).toEqual({ address, scheme });
    expect(clientOf('::ffff:127.0.0.1', headers).address).toBe(address);
  });

  it('is found in time in a header that is all commas', () => {
    expect(clientOf('127.0.0.1', { 'x-forwarded-for': '10.0.0.1,'.repeat(5_000) }).address).toBe('127.0.0.1');
    expect(clientOf('127.0.0.1', { forwarded: `${'for="'.repeat(5_000)}` }).address).toBe('127.0.0.1');
  });
});

it.each(['localhost', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/', '::1/129', '10.0.0.0/-1', 'fe80::1%eth0'])(
  'refuses %j as a proxy, naming it',
  (entry) => {
    expect(() => TrustedProxies.parse(`127.0.0.1, ${entry}`)).toThrow(JSON.stringify(entry));
  },
);
