import { describe, expect, it } from 'vitest';
import { AddressReader, RouteTable } from '../../src/runner/routes.ts';

const reader = new AddressReader({ domain: 'localhost', defaultPort: '3003', routes: new RouteTable() });
const address = (host: string | undefined, target: string) => reader.read(host, target);

describe('the address of a request', () => {
  it('is a host name of the function’s own, in any case, with port or final dot', () => {
    for (const host of ['swift-otter.localhost', 'Swift-Otter.LOCALHOST:3003', 'swift-otter.localhost.:80']) {
      expect(address(host, '/a/b?c=d')).toMatchObject({
        label: 'swift-otter',
        scriptName: '',
        path: '/a/b',
        query: 'c=d',
        host: 'swift-otter.localhost',
        byHost: true,
      });
    }
    expect(address('dev--swift-otter.localhost', '/')?.label).toBe('dev--swift-otter');
    expect(address('a.b.localhost', '/')?.label).toBe('a.b');
  });

  it('is the first segment of the path under every other host', () => {
    for (const host of ['localhost', 'localhost:3003', '127.0.0.1:3003', '[::1]:3003', 'box.example', undefined]) {
      expect(address(host, '/swift-otter/a/b?c=d?e')).toMatchObject({
        label: 'swift-otter',
        scriptName: '/swift-otter',
        path: '/a/b',
        query: 'c=d?e',
        byHost: false,
      });
    }
    expect(address('localhost', '/swift-otter')).toMatchObject({ label: 'swift-otter', path: '' });
    expect(address('localhost', '/')).toMatchObject({ label: '', path: '' });
    expect(address('notlocalhost', '/x/')?.label).toBe('x');
    expect(address('.localhost', '/x/')?.byHost).toBe(false);
  });

  it('may be given in absolute form, whose authority counts', () => {
    expect(address('localhost', 'http://swift-otter.localhost:80?x')).toMatchObject({
      label: 'swift-otter',
      path: '/',
      query: 'x',
      port: '80',
    });
  });

  it('is none where the target is no path, or where a NUL would cut it short', () => {
    expect(address('localhost', '*')).toBeNull();
    expect(address('localhost', 'ftp://x/')).toBeNull();
    expect(address('localhost', '/x/a%00b')).toBeNull();
  });
});

describe('the route table', () => {
  it('leads former names, and previews under them, to labels that exist, until the name is used again', () => {
    const routes = new RouteTable();
    expect(routes.movedTo('old')).toBeNull();
    routes.set('old', null);
    routes.set('new', null);
    routes.redirect('old', 'new');
    expect(routes.find('old')).toBeUndefined();
    expect(routes.movedTo('old')).toBe('new');
    expect(routes.movedTo('new')).toBeNull();
    expect(routes.movedTo('dev--old')).toBeNull();
    routes.set('dev--new', null);
    expect(routes.movedTo('dev--old')).toBe('dev--new');
    routes.remove('new');
    expect(routes.movedTo('old')).toBeNull();
    routes.set('new', null);
    for (const end of [() => routes.set('old', null), () => routes.remove('old')]) {
      routes.redirect('old', 'new');
      end();
      expect(routes.movedTo('old')).toBeNull();
    }
  });

  it('tells unknown labels from those that have nothing deployed', () => {
    const routes = new RouteTable();
    routes.set('empty', null);
    expect(routes.find('empty')).toBeNull();
    expect(routes.find('constructor')).toBeUndefined();
    routes.remove('empty');
    expect(routes.find('empty')).toBeUndefined();
  });
});

describe('custom domains', () => {
  const routes = new RouteTable();
  const options = { domain: 'functions.example', defaultPort: '80', publicHost: 'run.example', routes };
  const own = new AddressReader(options);
  const at = (host: string, target = '/a/b') => own.read(host, target);

  it('lead to a handler by host, with any port, until they lead to none', () => {
    routes.setDomain('api.example.com', 'otter');
    for (const host of ['api.example.com', 'API.example.com.', 'api.example.com:8443'])
      expect(at(host)).toMatchObject({ label: 'otter', scriptName: '', path: '/a/b', byHost: true, byDomain: true });
    routes.setDomain('api.example.com', 'mole');
    expect(at('api.example.com')).toMatchObject({ label: 'mole' });
    routes.setDomain('api.example.com', null);
    expect(at('api.example.com')).toMatchObject({ label: '', byHost: false, byDomain: false });
  });

  it('that are not known lead to no function, whatever their path begins with', () => {
    for (const host of ['other.example', 'xfunctions.example', 'a.run.example', 'example'])
      expect(at(host, '/otter/x'), host).toMatchObject({ label: '', scriptName: '', path: '/otter/x' });
  });

  it('do not change the addresses of the platform itself', () => {
    expect(at('otter.functions.example')).toMatchObject({ label: 'otter', byHost: true, byDomain: false });
    for (const host of ['functions.example', 'run.example', 'localhost:3003', '127.0.0.1', '[::1]:3003', ''])
      expect(at(host, '/otter/x'), host).toMatchObject({ label: 'otter', scriptName: '/otter', byHost: false });
  });
});
