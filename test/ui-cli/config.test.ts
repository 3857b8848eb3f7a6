import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Config,
  defaultServer,
  normalizeServer,
  parseConfig,
  readConfig,
  resolveSession,
  withAccount,
  withoutAccount,
  writeConfig,
} from '../../ui-cli/config.ts';
import { type Environment, readEnvironment } from '../../ui-cli/environment.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wasmcloud-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const terminal = { stdinIsTty: true, stdoutIsTty: true };
const environment = (variables: NodeJS.ProcessEnv): Environment => readEnvironment(variables, terminal, '/home/ada');

test('the config file lies in the XDG config folder', () => {
  expect(environment({}).configFile).toBe('/home/ada/.config/wasmcloud/config.json');
  expect(environment({ XDG_CONFIG_HOME: '/etc/xdg' }).configFile).toBe('/etc/xdg/wasmcloud/config.json');
  // XDG Base Directory Specification: relative paths are invalid.
  expect(environment({ XDG_CONFIG_HOME: 'here' }).configFile).toBe('/home/ada/.config/wasmcloud/config.json');
});

test.each([
  [{}, terminal, true],
  [{ CI: 'true' }, terminal, false],
  [{ CI: '' }, terminal, true],
  [{ CI: 'false' }, terminal, true],
  [{ TERM: 'dumb' }, terminal, false],
  [{}, { stdinIsTty: false, stdoutIsTty: true }, false],
  [{}, { stdinIsTty: true, stdoutIsTty: false }, false],
])('with %j and %j somebody can be asked: %s', (variables, streams, interactive) => {
  expect(readEnvironment(variables, streams).interactive).toBe(interactive);
});

test('NO_COLOR counts unless it is empty', () => {
  expect([environment({ NO_COLOR: '1' }).noColor, environment({ NO_COLOR: '' }).noColor]).toEqual([true, false]);
});

test('a written config is read back, readable by its owner only, with nothing left beside it', async () => {
  const file = join(folder, 'a', 'wasmcloud', 'config.json');
  const config = withAccount({ server: null, accounts: {} }, 'http://x:1', { user: 'ada', token: 't' });
  await writeConfig(file, config);
  await writeConfig(file, config);
  expect(await readConfig(file)).toEqual(config);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(folder, 'a', 'wasmcloud'))).toEqual(['config.json']);
});

test('twenty writers at once leave one whole file', async () => {
  const file = join(folder, 'b', 'config.json');
  const write = (i: number) =>
    writeConfig(
      file,
      withAccount({ server: null, accounts: {} }, `http://x:${i}`, { user: 'ada', token: 't'.repeat(999) }),
    );
  await Promise.all(Array.from({ length: 20 }, (_, i) => write(i)));
  expect(Object.keys((await readConfig(file)).accounts)).toHaveLength(1);
});

test('a missing config is an empty one', async () => {
  expect(await readConfig(join(folder, 'none.json'))).toEqual({ server: null, accounts: {} });
});

test.each(['', '{', '[]', '{"server":3}', '{"accounts":{"http://x":{"user":"a"}}}', '{"accounts":[]}'])(
  'a damaged config is refused with what to do, never overwritten: %s',
  async (text) => {
    const file = join(folder, 'damaged.json');
    await writeFile(file, text);
    await expect(readConfig(file)).rejects.toMatchObject({
      code: 'bad_request',
      hints: [expect.stringContaining('login')],
    });
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(() => parseConfig(text, file)).toThrow(file);
  },
);

test.each([
  ['http://localhost:3002/', 'http://localhost:3002'],
  ['localhost:3002', 'http://localhost:3002'],
  ['https://wasm.example.com', 'https://wasm.example.com'],
  ['https://example.com/trisiel//', 'https://example.com/trisiel'],
  [' http://127.0.0.1:3002 ', 'http://127.0.0.1:3002'],
])('%s is the server %s', (text, server) => {
  expect(normalizeServer(text)).toBe(server);
});

test.each(['', 'ftp://x', 'http://', 'http://user:secret@x', 'not a url'])('%s is no server', (text) => {
  expect(() => normalizeServer(text)).toThrow();
});

const config: Config = {
  server: 'http://a:1',
  accounts: { 'http://a:1': { user: 'ada', token: 'ta' }, 'http://b:1': { user: 'bob', token: 'tb' } },
};

test('the flag beats WASMCLOUD_SERVER, which beats the config, which beats the default', () => {
  const from = (variables: NodeJS.ProcessEnv, flag: string | null, known = config) =>
    resolveSession(environment(variables), known, flag).server;
  expect(from({ WASMCLOUD_SERVER: 'http://b:1' }, 'http://c:1')).toBe('http://c:1');
  expect(from({ WASMCLOUD_SERVER: 'http://b:1' }, null)).toBe('http://b:1');
  expect(from({}, null)).toBe('http://a:1');
  expect(from({}, null, { server: null, accounts: {} })).toBe(defaultServer);
});

test('a token goes to the server it was made for, and WASMCLOUD_TOKEN wins', () => {
  expect(resolveSession(environment({}), config)).toMatchObject({ token: 'ta', user: 'ada' });
  expect(resolveSession(environment({ WASMCLOUD_SERVER: 'http://b:1/' }), config)).toMatchObject({ token: 'tb' });
  expect(resolveSession(environment({ WASMCLOUD_SERVER: 'http://c:1' }), config)).toMatchObject({ token: null });
  expect(resolveSession(environment({ WASMCLOUD_TOKEN: 'te\n' }), config)).toMatchObject({ token: 'te', user: null });
});

test('logging out of one server leaves the others', () => {
  expect(Object.keys(withoutAccount(config, 'http://a:1').accounts)).toEqual(['http://b:1']);
});
