import { appendFile, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { queueLimits } from '../../../src/protocol/limits.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
let adaId: string;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    const token = await control.user('ada');
    adaId = (await control.accounts.actorOfToken(token))!.user.id;
    variables = { WASMCLOUD_TOKEN: token };
  },
  () => control.close(),
);
afterAll(() => control.close());

const wasmcloud = (...words: readonly string[]) => home.wasmcloud(words, { variables });

test('queues are filled, listed, read, paused and purged', async () => {
  expect(await wasmcloud('queue')).toMatchObject({
    status: 0,
    stdout: '',
    stderr: expect.stringContaining('queue publish'),
  });
  expect((await wasmcloud('queue', 'publish', 'mail', 'hello \u001b[31mred')).stdout).toMatch(
    /^published \S+ to mail\n$/,
  );
  await control.publish(adaId, 'mail', Uint8Array.of(0xff));
  expect((await wasmcloud('queue', 'list')).stdout).toMatch(/^mail +2 +0 +0 +0 +15 B +.* none$/m);

  const read = await wasmcloud('queue', 'read', 'mail');
  expect(read.stdout).toMatch(/^ *1 +ready +\d{4}-.*Z +0 +14 B +hello \^\[\[31mred\n *2 +.*base64:\/w==$/m);
  const page = JSON.parse((await wasmcloud('queue', 'read', 'mail', '--limit', '1', '--json')).stdout);
  expect(page).toMatchObject({ messages: [{ position: 1 }], next: 1 });
  expect((await wasmcloud('queue', 'read', 'mail', '--after', '1')).stdout).not.toContain('hello');

  expect((await wasmcloud('queue', 'pause', 'mail')).stdout).toBe('mail is paused\n');
  expect((await wasmcloud('queue', 'show', 'mail')).stdout).toMatch(
    /^mail \(paused\) .*\nin the last 5 minutes: \d+ published, 0 acknowledged, 0 retried, 0 dead$/m,
  );
  expect((await wasmcloud('queue', 'resume', 'mail')).stdout).toBe('mail is delivered again\n');
  expect((await wasmcloud('queue', 'retry', 'mail')).stdout).toContain('0 dead letters');

  expect((await wasmcloud('queue', 'purge', 'mail')).stderr).toContain('needs a yes');
  expect((await wasmcloud('queue', 'purge', 'mail', '--yes')).stdout).toBe('removed 2 messages (15 B) from mail\n');
  expect((await wasmcloud('queue', 'delete', 'mail', '--yes')).stdout).toBe('deleted the queue mail\n');
  expect(JSON.parse((await wasmcloud('queue', '--json')).stdout)).toEqual([]);
});

test('a message may begin with a hyphen, after the two that end the options', async () => {
  expect(await wasmcloud('queue', 'publish', 'hyphens', '-text')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('hint: an argument that begins with - goes after --\n'),
  });
  expect((await wasmcloud('queue', 'publish', 'hyphens', '--', '-text')).stdout).toContain('published');
  expect((await wasmcloud('queue', 'read', 'hyphens')).stdout).toContain(' -text');
});

test('a message comes from words, a file or standard input; a key publishes it once', async () => {
  const file = join(control.folder, 'message.bin');
  await writeFile(file, Buffer.from([1, 2, 3]));
  await wasmcloud('queue', 'publish', 'q', '--file', file, '--type', 'image/png', '--group', 'g');
  await home.wasmcloud(['queue', 'publish', 'q', '--file', '-'], { variables, stdin: 'from stdin' });
  expect((await wasmcloud('queue', 'publish', 'q', 'a', '--key', 'k')).stdout).toContain('published');
  expect((await wasmcloud('queue', 'publish', 'q', 'b', '--key', 'k')).stdout).toContain('has got it before');
  const { messages } = JSON.parse((await wasmcloud('queue', 'read', 'q', '--json')).stdout);
  expect(messages.map((one: { base64: string | null; text: string | null }) => one.text)).toEqual([
    '\u0001\u0002\u0003',
    'from stdin',
    'a',
  ]);
  expect((await wasmcloud('queue', 'publish', 'q')).stderr).toContain('what shall be published?');
  expect((await wasmcloud('queue', 'publish', 'q', 'x', '--file', file)).stderr).toContain('not both');
});

test('an export that was cut goes on where it stopped, and is imported as it was', async () => {
  await control.publish(
    adaId,
    'all',
    Array.from({ length: 1_000 }, (_, i) => `message ${i}`),
  );
  const out = join(control.folder, 'all.ndjson');
  expect((await wasmcloud('queue', 'export', 'all', '--out', out)).stdout).toMatch(/^wrote 1,?000 messages/);
  const whole = await readFile(out, 'utf8');
  expect((await wasmcloud('queue', 'export', 'all', '--out', out)).stderr).toContain('exists already');

  // As if the connection had been cut in the middle of a line.
  await rename(out, `${out}.part`);
  await truncate(`${out}.part`, Math.floor((await stat(`${out}.part`)).size / 2));
  expect((await wasmcloud('queue', 'export', 'all', '--out', out)).stderr).toContain('--resume goes on with it');
  expect((await wasmcloud('queue', 'export', 'all', '--out', out, '--resume')).status).toBe(0);
  expect(await readFile(out, 'utf8')).toBe(whole);
  await expect(stat(`${out}.part`)).rejects.toMatchObject({ code: 'ENOENT' });

  expect((await wasmcloud('queue', 'import', 'copy', out)).stdout).toMatch(/^published 1,?000 messages to copy/);
  const copy = (await wasmcloud('queue', 'export', 'copy')).stdout;
  const bodies = (lines: string) =>
    lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).text);
  expect(bodies(copy)).toEqual(bodies(whole));

  await appendFile(out, '{"text":"x","colour":1}\n');
  const broken = await wasmcloud('queue', 'import', 'copy', out);
  expect(broken).toMatchObject({ status: 1, stderr: expect.stringContaining('line 1001: no such field: "colour"') });
  await rm(out);
  await writeFile(`${out}.part`, 'something else\n');
  expect((await wasmcloud('queue', 'export', 'all', '--out', out, '--resume')).stderr).toContain(
    'does not end like this export',
  );
});

test.each([
  ['.gz', gzipSync],
  ['.zst', zstdCompressSync],
])(
  'a file that ends in %s is decompressed for the import; one that is damaged or cut is said',
  async (end, compress) => {
    await control.publish(adaId, 'packed', ['a', 'b']);
    const out = join(control.folder, `packed${end}`);
    await wasmcloud('queue', 'export', 'packed', '--out', out);
    expect((await wasmcloud('queue', 'import', `to${end}`, out)).stdout).toBe(`published 2 messages to to${end}\n`);
    const cut = join(control.folder, `cut${end}`);
    await writeFile(cut, (await readFile(out)).subarray(0, -5));
    await writeFile(join(control.folder, `damaged${end}`), compress('{"text":"a"}\n').fill(0, 0, 4));
    for (const name of ['cut', 'damaged']) {
      const failed = await wasmcloud('queue', 'import', `none${end}`, join(control.folder, `${name}${end}`));
      expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot be read (') });
    }
    await wasmcloud('queue', 'delete', 'packed', '--yes');
  },
);

test.each([
  ['that is not there', 'nowhere', 'nowhere cannot be read (ENOENT)'],
  ['that is a folder', '.', 'cannot be read (EISDIR)'],
])('a file %s is said, and nothing is published', async (_what, name, why) => {
  const file = join(control.folder, name);
  for (const words of [
    ['import', 'unread', file],
    ['publish', 'unread', '--file', file],
  ]) {
    const { status, stderr } = await wasmcloud('queue', ...words);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^error: [^\n]+\n$/)]);
    expect(stderr).toContain(why);
  }
  expect((await wasmcloud('queue', 'show', 'unread')).stderr).toContain('no queue');
});

test('a file that is no message for its length is refused before it is sent', async () => {
  const file = join(control.folder, 'long.bin');
  await writeFile(file, Buffer.alloc(queueLimits.messageBytes + 1));
  expect((await wasmcloud('queue', 'publish', 'long', '--file', file)).stderr).toContain('more than 1048576 bytes');
  const stdin = 'x'.repeat(queueLimits.messageBytes + 1);
  const refused = await home.wasmcloud(['queue', 'publish', 'long', '--file', '-'], { variables, stdin });
  expect(refused.stderr).toContain('standard input has more than 1048576 bytes');
  await truncate(file, queueLimits.messageBytes);
  expect((await wasmcloud('queue', 'publish', 'long', '--file', file)).status).toBe(0);
});

test('a queue that is not there is said', async () => {
  expect(await wasmcloud('queue', 'read', 'nothing')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('no queue'),
  });
});
