import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/bin/config.ts';
import { knownSettings, loadSettings, nearestSetting } from '../../src/bin/config-file.ts';
import { PlatformError } from '../../src/protocol/errors.ts';

const command = fileURLToPath(new URL('../../src/bin/config-command.ts', import.meta.url));

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-config-file-'));
  file = join(folder, 'trisiel.toml');
});
beforeEach(() => rm(file, { force: true }));
afterAll(() => rm(folder, { recursive: true }));

const load = async (text: string, env: Readonly<Record<string, string>> = {}) => {
  await writeFile(file, text);
  return loadSettings({ ...env, TRISIEL_CONFIG: file });
};
const failure = async (text: string): Promise<PlatformError> => {
  const thrown = await load(text).catch((error: unknown) => error);
  if (!(thrown instanceof PlatformError)) throw new Error(`not refused: ${text}`);
  return thrown;
};

describe('the configuration file', () => {
  it('has the names of the variables as keys; text, numbers and lists', async () => {
    const { values } = await load(
      'TRISIEL_DOMAIN = "fn.example.com"\nTRISIEL_PORT = 8_080\nTRISIEL_TRUSTED_PROXIES = ["10.0.0.0/8", "::1"]\n',
    );
    const config = readConfig(values);
    expect(config).toMatchObject({ domain: 'fn.example.com', port: 8080 });
    expect(config.trustedProxies.toString()).toBe('10.0.0.0/8,::1');
  });

  it('gives way to variables, which is told; an empty variable is none', async () => {
    const { values, overridden, fromFile } = await load(
      'TRISIEL_PORT = 1\nTRISIEL_RUN_PORT = 2\nTRISIEL_DATABASE = "postgres://u:p@file/d"\n',
      { TRISIEL_PORT: '3', TRISIEL_RUN_PORT: '', TRISIEL_DATABASE_FILE: '/etc/trisiel/database' },
    );
    expect(values).toMatchObject({ TRISIEL_PORT: '3', TRISIEL_RUN_PORT: '2' });
    expect(values.TRISIEL_DATABASE).toBeUndefined();
    expect(overridden).toEqual(['TRISIEL_PORT', 'TRISIEL_DATABASE']);
    expect([...fromFile]).toEqual(['TRISIEL_RUN_PORT']);
  });

  it.each([
    ['\nTRISIEL_PROT = 1', 'line 2: "TRISIEL_PROT" is no setting', 'did you mean TRISIEL_PORT?'],
    ['trisiel_domain = "x"', 'line 1: "trisiel_domain" is no setting', 'did you mean TRISIEL_DOMAIN?'],
    ['TRISIEL_DATABSE_FILE = "x"', 'is no setting', 'did you mean TRISIEL_DATABASE?'],
    ['colour = "blue"', '"colour" is no setting', 'trisiel config show'],
    ['[TRISIEL_PORT]\nx = 1', 'line 1: TRISIEL_PORT is neither text', undefined],
    ['TRISIEL_PORT = 1.5', 'TRISIEL_PORT is neither text, nor a whole number', undefined],
    ['TRISIEL_PORT = true', 'TRISIEL_PORT is neither text', undefined],
    ['TRISIEL_PORT = [[1]]', 'TRISIEL_PORT is neither text', undefined],
    ['TRISIEL_PORT = 1979-05-27', 'TRISIEL_PORT is neither text', undefined],
    ['TRISIEL_PORT = 1\nTRISIEL_PORT = 2', 'line 2:', undefined],
    ['TRISIEL_PORT = ', 'line 1:', undefined],
    ['__proto__ = 1', '"__proto__" is no setting', undefined],
    ['\0', 'line 1:', undefined],
  ])('%j is refused with its place', async (text, message, hint) => {
    const error = await failure(text);
    expect(error.message).toContain(file);
    expect(error.message).toContain(message);
    if (hint !== undefined) expect(error.hints.join()).toContain(hint);
  });

  it('has each further mistake told beside the first', async () => {
    const { message, hints, details } = await failure(
      'TRISIEL_PROT = 1\nTRISIEL_PORT = true\ncolour = 1\nTRISIEL_DATTA = 1',
    );
    expect(message).toContain('line 1: "TRISIEL_PROT" is no setting');
    expect(hints).toEqual(['did you mean TRISIEL_PORT?']);
    expect(details).toEqual([
      'line 2: TRISIEL_PORT is neither text, nor a whole number, nor a list of these',
      'line 3: "colour" is no setting; the settings: trisiel config show',
      'line 4: "TRISIEL_DATTA" is no setting; did you mean TRISIEL_DATA?',
    ]);
    expect((await failure(Array.from({ length: 1000 }, (_, n) => `x${n} = 1`).join('\n'))).details).toHaveLength(20);
  });

  it('is refused where it is no UTF-8, too long, a folder, or named but missing', async () => {
    await writeFile(file, Buffer.from([0x54, 0xff]));
    expect(() => loadSettings({ TRISIEL_CONFIG: file })).toThrow('not UTF-8');
    await writeFile(file, '#'.repeat(300_000));
    expect(() => loadSettings({ TRISIEL_CONFIG: file })).toThrow('more than');
    expect(() => loadSettings({ TRISIEL_CONFIG: folder })).toThrow('EISDIR');
    expect(() => loadSettings({ TRISIEL_CONFIG: join(folder, 'none.toml') })).toThrow('ENOENT');
  });

  it('need not be there', () => {
    expect(loadSettings({ TRISIEL_PORT: '1' })).toMatchObject({ file: null, values: { TRISIEL_PORT: '1' } });
  });
});

describe('the list of settings', () => {
  it('is what the server reads: each once, secrets known as such', () => {
    const known = knownSettings();
    const names = known.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['TRISIEL_DATA', 'TRISIEL_PORT', 'TRISIEL_DNS']));
    expect(names.filter((name) => name.endsWith('_FILE'))).toEqual([]);
    const secrets = known.filter(({ isSecret }) => isSecret).map(({ name }) => name);
    expect(secrets).toEqual(expect.arrayContaining(['TRISIEL_DATABASE', 'TRISIEL_METRICS_TOKEN', 'TRISIEL_ASK_TOKEN']));
    expect(secrets).not.toContain('TRISIEL_DATA');
    expect(secrets).toContain('TRISIEL_JOIN');
    expect(names).toContain('TRISIEL_NODE_URL');
  });

  it('has a nearest one for a slip only', () => {
    expect(nearestSetting('TRISIEL_QUOTA_BYTE')).toBe('TRISIEL_QUOTA_BYTES');
    expect(nearestSetting('x'.repeat(100_000))).toBeNull();
  });
});

/** Runs one of the platform's programs in the folder of the file. */
const runProgram = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  new Promise<{ status: unknown; stdout: string; stderr: string }>((resolve) => {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TRISIEL_')));
    execFile(process.execPath, [...words], { cwd: folder, env: { ...inherited, ...env } }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : error.code, stdout, stderr }),
    );
  });

/** What `wasmcloud nodes add` could have printed. */
const joining = `http://127.0.0.1:1#tn_${'a'.repeat(43)}`;

describe('trisiel node', () => {
  const node = fileURLToPath(new URL('../../src/bin/node.ts', import.meta.url));

  it('reads its settings from the file, and names what is wrong there', async () => {
    await writeFile(file, `TRISIEL_JOIN = "${joining}"\nTRISIEL_RUNNERS = 99_999\n`);
    const refused = await runProgram([node]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toBe('trisiel: TRISIEL_RUNNERS="99999" is not a whole number from 1 to 64\n');
    await writeFile(file, 'TRISIEL_PROT = 1\n');
    expect((await runProgram([node])).stderr).toContain('line 1: "TRISIEL_PROT" is no setting');
  });

  it('needs no setting of a control', async () => {
    await writeFile(file, 'TRISIEL_NATS = "nats://node:pw@127.0.0.1:4222"\nTRISIEL_REGISTRATION = "maybe"\n');
    expect((await runProgram([node])).stderr).toContain('trisiel: TRISIEL_JOIN is not set');
  });
});

describe('trisiel config', () => {
  const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runProgram([command, ...words], env);

  it('check finds the file in the working directory, and says that all is well', async () => {
    await writeFile(file, 'TRISIEL_PORT = 0\nTRISIEL_DOMAIN = "fn.example.com"\n');
    expect(await run(['check'])).toEqual({
      status: 0,
      stdout: 'all well: 2 settings, the others have their defaults\n',
      stderr: '',
    });
  });

  it('check says everything that is wrong at once, and what may be a mistake', async () => {
    await writeFile(file, 'TRISIEL_PORT = 99_999\nTRISIEL_DOMAIN = "Exa mple"\nTRISIEL_RUNNERS = 2\n');
    const { status, stdout, stderr } = await run(['check', file], { TRISIEL_RUNNERS: '3', TRISIEL_PROT: '1' });
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')).toEqual([
      'trisiel: TRISIEL_PORT="99999" is not a whole number from 0 to 65535',
      expect.stringMatching(/^trisiel: TRISIEL_DOMAIN="Exa mple" is not a domain name/),
      'note: TRISIEL_RUNNERS stands in the file and is set as a variable: the variable counts',
      'note: the variable TRISIEL_PROT is no setting; did you mean TRISIEL_PORT?',
      '',
    ]);
  });

  it('check finds every mistake: in the file of a secret, in variables of traces, and none that follows from another', async () => {
    const { stderr } = await run(['check'], {
      ...{ TRISIEL_DATABASE: 'mysql://x', TRISIEL_NATS: 'nats://control:pw@nats:4222', TRISIEL_PORT: 'x' },
      ...{ TRISIEL_METRICS_TOKEN_FILE: '/nonexistent/token', TRISIEL_ASK_TOKEN: 'short' },
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_TRACES_SAMPLER: 'sometimes' },
    });
    expect(stderr.split('\n').map((line) => /^trisiel: ([A-Z_]+)/.exec(line)?.[1] ?? line)).toEqual([
      ...['TRISIEL_PORT', 'TRISIEL_DATABASE', 'TRISIEL_METRICS_TOKEN_FILE', 'TRISIEL_ASK_TOKEN'],
      ...['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_TRACES_SAMPLER'],
      ...['note: no file was read: name it, or set TRISIEL_CONFIG', ''],
    ]);
  });

  it('check takes the settings of a node for those of a node', async () => {
    await writeFile(file, `TRISIEL_JOIN = "${joining}"\nTRISIEL_NODE_URL = "ftp://x"\n`);
    await chmod(file, 0o600);
    expect(await run(['check'], { TRISIEL_NATS: 'nats://node:pw@nats:4222' })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^trisiel: TRISIEL_NODE_URL="ftp:\/\/x" is not [^\n]*\n$/),
    });
    const right = await run(['check'], { TRISIEL_NODE_URL: 'https://node.example.com' });
    expect(right).toMatchObject({ status: 0, stderr: expect.not.stringContaining('is no setting') });
    expect((await run(['check'], { TRISIEL_PORT_FILE: 'x' })).stderr).toContain('TRISIEL_PORT_FILE is no setting');
  });

  it('check says that it has read no file', async () => {
    const { status, stderr } = await run(['check'], { TRISIEL_PORT: '0' });
    expect([status, stderr]).toEqual([0, 'note: no file was read: name it, or set TRISIEL_CONFIG\n']);
  });

  it('show ends quietly where its reader has seen enough', async () => {
    const child = spawn(process.execPath, [command, 'show'], { cwd: folder });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    expect([await once(child, 'close'), stderr]).toEqual([[0, null], expect.not.stringContaining('Error')]);
  });

  const hasFullDevice = existsSync('/dev/full');
  if (!hasFullDevice) console.log('skipped: a device without room, which this system does not have');
  it.skipIf(!hasFullDevice)('show fails where what it prints is lost', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [command, 'show'], { cwd: folder, stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    let stderr = '';
    child.stderr?.on('data', (text) => {
      stderr += text;
    });
    expect([await once(child, 'close'), stderr]).toEqual([[1, null], expect.stringContaining('ENOSPC')]);
  });

  it('show prints what a start would use, without a secret, and can be read again', async () => {
    await writeFile(file, 'TRISIEL_METRICS_TOKEN = "scrape-me-0123456789"\nTRISIEL_HOST = "::1"\n');
    await chmod(file, 0o644);
    const { status, stdout, stderr } = await run(['show'], {
      TRISIEL_PORT: '0',
      TRISIEL_DATABASE: 'postgres://u:hunter2@h/d',
    });
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/scrape-me|hunter2/);
    expect(stdout).toContain('TRISIEL_HOST = "::1"\n');
    expect(stdout).toContain('TRISIEL_PORT = "0"  # a variable\n');
    expect(stdout).toContain('TRISIEL_METRICS_TOKEN = "********"\n');
    expect(stdout).toContain('# TRISIEL_DATA has its default\n');
    expect(stderr).toContain('every user of this machine can read it');
    await writeFile(file, stdout.replace(/^.*\*{8}.*$/gm, ''));
    expect((await run(['check'])).status).toBe(0);
  });

  it('explains how it is used', async () => {
    for (const words of [[], ['frob'], ['check', 'a', 'b']])
      expect(await run(words)).toMatchObject({ status: 2, stderr: expect.stringContaining('trisiel config check') });
  });
});
