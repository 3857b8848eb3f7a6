/**
 * The script that makes the pictures of the book, against a platform of its own: it plays to its end, and they show
 * what it plays.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takePictures } from '../../docs/pictures.ts';
import { browserMissing } from '../support/browser.ts';

const missing =
  browserMissing ?? (spawnSync('tmux', ['-V']).status === 0 ? null : 'tmux is not installed (apt-get install tmux)');
if (missing !== null) process.stderr.write(`skipped: the pictures of the book are not taken: ${missing}\n`);

describe.skipIf(missing !== null)('the script of the pictures', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trisiel-pictures-test-'));
    await takePictures([], folder);
  }, 600_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([
    [
      'push.svg',
      [
        'wasmcloud create swift-otter',
        'git push --quiet wasmcloud main',
        '>success<',
        'curl http://127.0.0.1:3003/swift-otter/<',
        '>Hello',
      ],
    ],
    ['interface.svg', ['› swift-otter', 'hello was called', 'GET /2 200']],
  ])('records %s', async (name, shown) => {
    // Spaces of a screen are drawn as spaces that are kept.
    const text = (await readFile(join(folder, name), 'utf8')).replaceAll('\u00a0', ' ');
    for (const words of shown) expect(text).toContain(words);
  });

  it('takes book.png of its width and height', async () => {
    const picture = await readFile(join(folder, 'book.png'));
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([1000, 640]);
  });
});
