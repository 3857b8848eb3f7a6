/** Standard error of runners: bounded, whatever is written there. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { beforeEach, expect, it } from 'vitest';
import { readStderr } from '../../../src/control/fleet/stderr-lines.ts';

let lines: string[];
let nowMs: number;
let stream: PassThrough;

beforeEach(() => {
  lines = [];
  nowMs = 0;
  stream = new PassThrough();
  readStderr(stream, {
    ...{ charsMax: 10, linesMax: 3, windowMs: 1_000 },
    onLine: (line) => lines.push(line),
    nowMs: () => nowMs,
  });
});

async function written(...parts: (string | Uint8Array)[]): Promise<readonly string[]> {
  for (const part of parts) stream.write(part);
  stream.end();
  await once(stream, 'end');
  return lines;
}

it('comes line by line, however it was cut, the last one without an end too', async () => {
  const [one, ...rest] = Buffer.from('é\r\nb\n');
  expect(await written(Uint8Array.of(one as number), Uint8Array.from(rest), 'c')).toEqual(['é', 'b', 'c']);
});

it('without an end of a line is cut, and takes no more memory than a line', async () => {
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  for (let n = 0; n < 2_000; n += 1) {
    if (!stream.write('x'.repeat(65_536))) await once(stream, 'drain');
  }
  expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
  expect(await written('\nnext\n')).toEqual(['xxxxxxxxxx', 'next']);
});

it('that is too much at once is left out, and counted where it goes on and at the end', async () => {
  stream.write('1\n2\n3\n4\n5\n');
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toEqual(['1', '2', '3']);
  nowMs = 1_000;
  expect(await written('6\n7\n8\n9\n')).toEqual([
    ...['1', '2', '3', '2 lines were left out here: too many at once', '6', '7', '8'],
    '1 lines were left out here: too many at once',
  ]);
});
