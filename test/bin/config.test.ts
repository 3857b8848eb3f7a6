import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/bin/config.ts';

describe('the server configuration', () => {
  it('has the documented defaults', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 3002,
      runPort: 3003,
      registration: 'invite',
      domain: 'localhost',
      egressAllow: [],
      url: null,
      runUrl: null,
    });
    expect(config.dataFolder).toBe(`${process.cwd()}/data`);
    expect(config.runners).toBeGreaterThan(0);
  });

  it('reads every variable', () => {
    expect(
      readConfig({
        TRISIEL_DATA: '/srv/trisiel',
        TRISIEL_HOST: '::1',
        TRISIEL_PORT: '0',
        TRISIEL_RUN_PORT: '8080',
        TRISIEL_RUNNERS: '3',
        TRISIEL_REGISTRATION: 'open',
        TRISIEL_DOMAIN: 'fn.example.com',
        TRISIEL_EGRESS_ALLOW: '10.0.0.5:80, [fd00::1]:443,db.internal:5432',
        TRISIEL_URL: 'https://api.example.com/',
        TRISIEL_RUN_URL: 'https://fn.example.com',
      }),
    ).toEqual({
      dataFolder: '/srv/trisiel',
      host: '::1',
      port: 0,
      runPort: 8080,
      runners: 3,
      registration: 'open',
      domain: 'fn.example.com',
      egressAllow: ['10.0.0.5:80', '[fd00::1]:443', 'db.internal:5432'],
      url: 'https://api.example.com',
      runUrl: 'https://fn.example.com',
    });
  });

  it.each([
    ['TRISIEL_PORT', '70000'],
    ['TRISIEL_PORT', '80x'],
    ['TRISIEL_RUN_PORT', '-1'],
    ['TRISIEL_RUNNERS', '0'],
    ['TRISIEL_REGISTRATION', 'maybe'],
    ['TRISIEL_DOMAIN', 'Exa mple'],
    ['TRISIEL_EGRESS_ALLOW', 'localhost'],
    ['TRISIEL_EGRESS_ALLOW', 'a:0'],
    ['TRISIEL_URL', 'ftp://x'],
    ['TRISIEL_HOST', 'a b'],
  ])('names %s when it holds %j', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name}=`));
  });
});
