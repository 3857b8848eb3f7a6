import { describe, expect, it } from 'vitest';
import { basicCredentials, isGitUrl, parseGitUrl, protocolOf } from '../../../src/control/git/git-url.ts';

describe('a request of git', () => {
  it.each([
    ['GET', '/otter.git/info/refs?service=git-upload-pack', 'upload-pack', 'advertise'],
    ['GET', '/otter.git/info/refs?service=git-receive-pack', 'receive-pack', 'advertise'],
    ['POST', '/otter.git/git-upload-pack', 'upload-pack', 'serve'],
    ['POST', '/otter.git/git-receive-pack', 'receive-pack', 'serve'],
  ])('is known: %s %s', (method, url, service, kind) => {
    expect(parseGitUrl(method, url)).toEqual({ name: 'otter', service, kind });
    expect(isGitUrl(url)).toBe(true);
  });

  it.each([
    ['POST', '/otter.git/info/refs?service=git-upload-pack'],
    ['GET', '/otter.git/git-upload-pack'],
    ['PUT', '/otter.git/git-receive-pack'],
    ['GET', '/otter.git/info/refs'],
    ['GET', '/otter.git/info/refs?service=git-upload-archive'],
    ['GET', '/otter.git/info/refs?service=git-upload-pack&x=1'],
    ['GET', '/otter.git/info/refs?x=1&service=git-upload-pack'],
    ['POST', '/otter.git/git-upload-pack?x'],
    ['POST', '/otter.git/git-upload-packs'],
    ['POST', '/otter.git/x/git-upload-pack'],
    ['POST', '/a/otter.git/git-upload-pack'],
    ['POST', '/%6ftter.git/git-upload-pack'],
    ['POST', '/.git/git-upload-pack'],
    ['POST', `/${'x'.repeat(101)}.git/git-upload-pack`],
    ['GET', '/otter.git/HEAD'],
    ['GET', '/otter.gitsecret/info/refs?service=git-upload-pack'],
  ])('is none that is answered, but one of the door: %s %s', (method, url) => {
    expect(parseGitUrl(method, url)).toBeNull();
    expect(isGitUrl(url)).toBe(true);
  });

  it.each(['/', '/otter', '/api/v1/handlers', '/otter.gitsecret', '/x?y=/otter.git/info/refs'])(
    'is not for the door: %s',
    (url) => {
      expect(isGitUrl(url)).toBe(false);
      expect(parseGitUrl('GET', url)).toBeNull();
    },
  );
});

it.each([
  [undefined, null],
  ['version=0', null],
  ['version=1', 'version=1'],
  ['version=2', 'version=2'],
  ['x=y:version=2:z', 'version=2'],
  ['version=22', null],
  ['xversion=2', null],
])('Git-Protocol: %s asks for %s, of a fetch', (header, version) => {
  expect(protocolOf(header, 'upload-pack')).toBe(version);
  expect(protocolOf(header, 'receive-pack')).toBeNull();
});

describe('the credentials of a Basic header', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

  it('are a name and a password, which may have colons', () => {
    expect(basicCredentials(basic('ada:secret'))).toEqual({ name: 'ada', password: 'secret' });
    expect(basicCredentials(basic(':a:b'))).toEqual({ name: '', password: 'a:b' });
    const longest = `a:${'x'.repeat(1_534)}`;
    expect(basicCredentials(basic(longest))?.password).toHaveLength(1_534);
  });

  it.each([
    undefined,
    '',
    'Bearer abc',
    'Basic',
    'Basic !',
    basic('ada'),
    basic('ada:'),
    basic(`a:${'x'.repeat(1_535)}`),
  ])('are none in %s', (header) => {
    expect(basicCredentials(header)).toBeNull();
  });
});
