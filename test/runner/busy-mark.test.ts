/** The mark tells control, outside of this process, that guests get their turns and that calls end. */
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BusyMark, busyMarkBytes, busyMarkOf } from '../../src/runner/busy-mark.ts';

const file = join(tmpdir(), `trisiel-mark-${process.pid}`);
let descriptor = 0;
beforeEach(() => {
  descriptor = openSync(file, 'w+');
});
afterEach(() => {
  closeSync(descriptor);
  rmSync(file);
});

function progress(): number {
  const bytes = readFileSync(file);
  return bytes.length <= busyMarkBytes ? 0 : bytes.readUInt32LE(busyMarkBytes);
}

it('counts calls that end, of which no guest gets a turn', () => {
  const mark = new BusyMark(descriptor);
  for (let n = 0; n < 100; n += 1) mark.advance();
  expect(progress()).toBeGreaterThan(0);
});

it('counts turns of one guest, which is named once', () => {
  const mark = new BusyMark(descriptor);
  const otter = busyMarkOf('otter');
  for (let n = 0; n < 100; n += 1) mark.enter(otter);
  expect(progress()).toBeGreaterThan(0);
  expect(readFileSync(file).subarray(0, 5).toString()).toBe('otter');
});
