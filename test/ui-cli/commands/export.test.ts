/**
 * Exports on the command line: log lines and invocations, compressed, and gone on with after the program was killed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, expect, test, vi } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, line, record, root, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
/** Passes on so many bytes of an export, then neither ends nor goes on. */
let stalling: Server;
let passedBytes = 0;

beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    variables = { WASMCLOUD_TOKEN: await control.user('ada') };
    for (const name of ['otter', 'quiet']) await control.handler(name, 'ada');
    // Texts that CSV quotes, with line ends.
    await control.write(...Array.from({ length: 3_000 }, (_, n) => line('otter', `line ${n}, "quoted"\nand more`)));
    const ids = Array.from({ length: 600 }, (_, n) => `i_${String(n).padStart(8, '0')}`);
    await control.record({ records: ids.map((id) => record('otter', id)), counts: [] });
    stalling = createServer((asked, answer) => {
      const headers = { ...asked.headers, 'accept-encoding': 'identity' };
      const inner = request(control.url + asked.url, { headers }, (response) => {
        answer.writeHead(response.statusCode ?? 500, { 'content-type': response.headers['content-type'] });
        let left = passedBytes;
        response.on('data', (chunk: Buffer) => {
          if (left > 0) answer.write(chunk.subarray(0, left));
          left -= chunk.length;
          if (left <= 0) response.pause();
        });
        answer.on('close', () => response.destroy());
      });
      inner.end();
    }).listen(0, '127.0.0.1');
    await once(stalling, 'listening');
  },
  () => control.close(),
);
afterAll(async () => {
  stalling.closeAllConnections();
  stalling.close();
  await control.close();
});

const wasmcloud = (...words: readonly string[]) => home.wasmcloud(words, { variables });
const file = (name: string) => join(control.folder, name);

/** Runs a command against a server that stalls in its answer; kills it when `part` has at least `bytes`. */
async function killed(part: string, bytes: number, words: readonly string[]): Promise<void> {
  const { port } = stalling.address() as AddressInfo;
  const child = spawn(process.execPath, [join(root, 'dist/wasmcloud.js'), ...words], {
    env: { ...home.variables, ...variables, WASMCLOUD_SERVER: `http://127.0.0.1:${port}` },
    stdio: 'ignore',
  });
  const closed = once(child, 'close');
  const hasMore = async () => expect((await stat(part)).size).toBeGreaterThanOrEqual(bytes);
  await vi.waitFor(hasMore, { timeout: 60_000, interval: 20 });
  child.kill('SIGKILL');
  await closed;
}

test.each([
  ['logs', 'ndjson', 3_000, 'lines'],
  ['logs', 'csv', 3_000, 'lines'],
  ['invocations', 'ndjson', 600, 'invocations'],
  ['invocations', 'csv', 600, 'invocations'],
] as const)(
  'an export of %s as %s that was killed goes on, and equals one that was not',
  async (what, format, count, noun) => {
    const whole = file(`${what}.${format}`);
    const written = await wasmcloud(what, 'otter', '--export', whole, '--format', format);
    expect(written).toMatchObject({ status: 0, stdout: expect.stringContaining(` ${noun} (`) });
    const text = await readFile(whole, 'utf8');
    expect(text.length).toBeGreaterThan(count * 30);
    const cut = file(`${what}-cut.${format}`);
    const size = Buffer.byteLength(text);
    passedBytes = Math.floor(size / 3);
    const words = [what, 'otter', '--export', cut, '--format', format];
    await killed(`${cut}.part`, passedBytes, words);
    // Once more, while it is gone on with. At the begin the last record is cut off, which was not whole.
    await killed(`${cut}.part`, passedBytes + 1, [...words, '--resume']);
    expect((await wasmcloud(what, 'otter', '--export', cut, '--format', format)).stderr).toContain('--resume goes on');
    expect((await wasmcloud(what, 'otter', '--export', cut, '--format', format, '--resume')).status).toBe(0);
    expect(await readFile(cut, 'utf8')).toBe(text);
  },
);

test('a name that ends in .gz or .zst is compressed; - is standard output', async () => {
  const plain = (await wasmcloud('invocations', 'otter', '--export', '-')).stdout;
  expect(plain.trimEnd().split('\n')).toHaveLength(600);
  await wasmcloud('invocations', 'otter', '--export', file('a.gz'));
  await wasmcloud('invocations', 'otter', '--export', file('a.zst'));
  expect(gunzipSync(await readFile(file('a.gz'))).toString()).toBe(plain);
  expect(zstdDecompressSync(await readFile(file('a.zst'))).toString()).toBe(plain);
  await expect(stat(file('a.gz.part'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a name that ends in .csv has CSV, and a --format that says something else is refused', async () => {
  const csv = (await wasmcloud('invocations', 'otter', '--export', '-', '--format', 'csv')).stdout;
  await wasmcloud('invocations', 'otter', '--export', file('b.csv'));
  await wasmcloud('invocations', 'otter', '--export', file('b.csv.gz'));
  expect(await readFile(file('b.csv'), 'utf8')).toBe(csv);
  expect(gunzipSync(await readFile(file('b.csv.gz'))).toString()).toBe(csv);
  for (const [name, format] of [
    ['c.csv', 'ndjson'],
    ['c.ndjson.zst', 'csv'],
  ] as const) {
    const refused = await wasmcloud('invocations', 'otter', '--export', file(name), '--format', format);
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining(`and --format ${format}`) });
  }
});

test('what an earlier version has left as NDJSON under a name of CSV goes on under another name', async () => {
  const text = (await wasmcloud('invocations', 'otter', '--export', '-')).stdout;
  const half = text.split('\n').slice(0, 300).join('\n');
  await writeFile(file('d.csv.part'), `${half}\n`);
  const refused = await wasmcloud('invocations', 'otter', '--export', file('d.csv'), '--resume');
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('d.csv.part has NDJSON') });
  expect(refused.stderr).toContain(`mv ${file('d.csv.part')} ${file('d.ndjson.part')}`);
  await rename(file('d.csv.part'), file('d.ndjson.part'));
  expect((await wasmcloud('invocations', 'otter', '--export', file('d.ndjson'), '--resume')).status).toBe(0);
  expect(await readFile(file('d.ndjson'), 'utf8')).toBe(text);
});

test('nothing to export is an empty file; what does not go together is refused', async () => {
  expect((await wasmcloud('logs', 'quiet', '--export', file('none'))).stdout).toMatch(/^wrote 0 lines \(0 B\)/);
  expect(await readFile(file('none'), 'utf8')).toBe('');
  for (const choice of ['--grep', '--preview'])
    expect((await wasmcloud('logs', 'otter', '--export', file('x'), choice, 'a')).stderr).toContain(
      'cannot be used with',
    );
  expect((await wasmcloud('invocations', 'otter', 'i_00000001', '--export', file('x'))).stderr).toContain('leave out');
  expect((await wasmcloud('logs', 'otter', '--export', '-', '--resume')).stderr).toContain('say which');
});
