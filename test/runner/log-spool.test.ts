import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { LogSpool } from '../../src/runner/log-spool.ts';

const batch = (number: number) => ({ batch: number, blocks: [], dropped: {} });

/** Opens a file and makes a spool for `bytes` in it. */
function spoolOf(bytes: number) {
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-spool-'));
  const path = join(folder, 'lines');
  const descriptor = openSync(path, 'a');
  let isClosed = false;
  const close = (): void => {
    if (!isClosed) closeSync(descriptor);
    isClosed = true;
  };
  onTestFinished(() => {
    close();
    rmSync(folder, { recursive: true });
  });
  return {
    spool: new LogSpool(descriptor, bytes),
    close,
    lines: () => readFileSync(path, 'utf8').split('\n').slice(0, -1),
  };
}

it('writes lines of JSON up to its bytes, and none after the first that has no room', () => {
  const line = `${JSON.stringify({ series: 'sent', ...batch(1) })}\n`;
  const { spool, lines } = spoolOf(2 * line.length + 5);
  expect(spool.write('sent', batch(1))).toBe(true);
  expect(spool.write('sent', batch(2))).toBe(true);
  expect(spool.isOpen).toBe(true);
  expect(spool.write('sent', batch(3))).toBe(false);
  expect(spool.isOpen).toBe(false);
  expect(lines().map((one) => JSON.parse(one).batch)).toEqual([1, 2]);
  expect(spoolOf(line.length).spool.write('sent', batch(1))).toBe(true);
  expect(spoolOf(line.length - 1).spool.write('sent', batch(1))).toBe(false);
});

it('is closed without a file, and from the first write on that fails', () => {
  const none = new LogSpool(null);
  expect([none.isOpen, none.write('sent', batch(1))]).toEqual([false, false]);
  const { spool, close } = spoolOf(1_000);
  close();
  expect(spool.isOpen).toBe(true);
  expect(spool.write('sent', batch(1))).toBe(false);
  expect(spool.isOpen).toBe(false);
});
