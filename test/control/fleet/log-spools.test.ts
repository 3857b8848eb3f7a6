import { closeSync, openSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogSpools } from '../../../src/control/fleet/log-spools.ts';
import { KIB, logLimits } from '../../../src/protocol/limits.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import type { PendingLogLine } from '../../../src/protocol/nouns.ts';
import type { LogBatchId, LogSink } from '../../../src/protocol/ports.ts';
import { spoolLimits } from '../../../src/protocol/takeover.ts';
import { LogBuffer, type LogBufferOptions } from '../../../src/runner/log-buffer.ts';
import { LogSpool } from '../../../src/runner/log-spool.ts';
import { linesOfBlocks } from '../../support/log-blocks.ts';

let folder: string;
let stored: { readonly id: LogBatchId | undefined; readonly texts: readonly string[]; readonly dropped: number }[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-spool-'));
  stored = [];
});
afterEach(() => rm(folder, { recursive: true }));

const one = handlerIdOf('one');
const store: LogSink['appendBlocks'] = async (blocks, dropped = {}, id) => {
  const texts = linesOfBlocks(blocks).map(({ text }) => text);
  stored.push({ id, texts, dropped: dropped[one] ?? 0 });
  return 'stored';
};
const line = (text: string): PendingLogLine => ({
  ...{ handlerId: one, deployment: 1, invocation: 'i', seq: 1, timeMs: 1, gas: 1, stream: 'log', level: 6, text },
});
const spillTo = (file: LogSpool): NonNullable<LogBufferOptions['spill']> => ({
  isOpen: () => file.isOpen,
  write: (series, batch) => file.write(series, batch),
});
const told = () => stored.reduce((sum, { texts, dropped }) => sum + texts.length + dropped, 0);

/** Writes into the file of a runner that no control can be reached by. */
function orphan(runnerId: string, pid: number, work: (buffer: LogBuffer) => void): void {
  const spools = new LogSpools(folder, store);
  const spool = spools.open(runnerId);
  const descriptor = openSync(`/proc/self/fd/${spool.descriptor}`, 'r+');
  spool.started(pid);
  const file = new LogSpool(descriptor);
  const buffer = new LogBuffer({ send: () => false, spill: spillTo(file) });
  work(buffer);
  buffer.spillAll();
  closeSync(descriptor);
}

describe('lines that a runner has left in its file', () => {
  it('are stored although other lines and other files hold anything', async () => {
    const hostile = [
      '{"series":"sent","batch":1,"blocks":[{"handlerId":{"toString":1},"words":"","data":""}],"dropped":{}}',
      '{"series":"sent","batch":1,"blocks":[null],"dropped":{}}',
      '{"series":"sent","batch":1e99,"blocks":[],"dropped":{}}',
      `{"series":"sent","batch":1,"blocks":[${'{},'.repeat(spoolLimits.recordBytes / 3)}{}],"dropped":{}}`,
      'null',
      '',
      '\u0000\uffff',
    ];
    for (const name of ['a-first', 'z-last']) {
      orphan(name, 9, (buffer) => buffer.push(line(name)));
      const file = join(folder, `${name}.9`);
      const own = await readFile(file, 'utf8');
      await writeFile(file, `${hostile.join('\n')}\n${own}${hostile.join('\n')}`);
    }
    expect(await new LogSpools(folder, store).deliver([])).toBe(0);
    expect(stored.map(({ texts }) => texts).sort()).toEqual([['a-first'], ['z-last']]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('are stored although a file before them fails, which is told and tried again', async () => {
    for (const name of ['a-first', 'z-last']) orphan(name, 9, (buffer) => buffer.push(line(name)));
    let isBroken = true;
    const spools = new LogSpools(folder, async (blocks, dropped, id) => {
      if (isBroken && id?.origin.startsWith('a-first')) throw new Error('broken');
      return store(blocks, dropped, id);
    });
    await expect(spools.deliver([])).rejects.toThrow('broken');
    expect(stored.map(({ texts }) => texts)).toEqual([['z-last']]);
    isBroken = false;
    expect(await spools.deliver([])).toBe(0);
    expect(stored.map(({ texts }) => texts)).toEqual([['z-last'], ['a-first']]);
  });

  it('are not stored once the control that stores them ends: its log is closed then', async () => {
    for (const name of ['a-first', 'b-second', 'z-last']) orphan(name, 9, (buffer) => buffer.push(line(name)));
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const spools = new LogSpools(folder, async (blocks, dropped, id) => {
      begun.resolve();
      await goOn.promise;
      return store(blocks, dropped, id);
    });
    const delivering = spools.deliver([]);
    await begun.promise;
    let isClosed = false;
    const closing = spools.close().then(() => {
      isClosed = true;
    });
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    goOn.resolve();
    await closing;
    expect(stored).toHaveLength(1);
    expect(await delivering).toBe(2);
    expect(await new LogSpools(folder, store).deliver([])).toBe(0);
    expect(stored.map(({ texts }) => texts).sort()).toEqual([['a-first'], ['b-second'], ['z-last']]);
  });

  it('stay when its control ends before it', async () => {
    const spools = new LogSpools(folder, store);
    const { descriptor, started } = spools.open('late');
    const own = openSync(`/proc/self/fd/${descriptor}`, 'r+');
    started(11);
    const buffer = new LogBuffer({ send: () => false, spill: spillTo(new LogSpool(own)) });
    buffer.push(line('last words'));
    buffer.spillAll();
    closeSync(own);
    await spools.ended('late', 11);
    expect(await new LogSpools(folder, store).deliver([])).toBe(0);
    expect(stored.map(({ texts }) => texts)).toEqual([['last words']]);
  });

  it('are more than its buffer holds, in order, and stored once', async () => {
    const count = 2 * logLimits.bufferLines + 123;
    orphan('b-1-1', 7, (buffer) => {
      for (let n = 0; n < count; n += 1) buffer.push(line(`line ${n}`));
    });
    expect(await new LogSpools(folder, store).deliver([7])).toBe(1);
    expect(stored).toEqual([]);
    expect(await new LogSpools(folder, store).deliver([])).toBe(0);
    expect(told()).toBe(count);
    // Batches that were to be sent keep their numbers: control may have stored them.
    const all = stored.map(({ id, texts }) => ({ origin: id?.origin, number: id?.number, texts }));
    for (const origin of ['b-1-1', 'b-1-1/spool']) {
      const numbers = all.filter((batch) => batch.origin === origin).map(({ number }) => number ?? 0);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect(new Set(numbers).size).toBe(numbers.length);
    }
    expect(new Set(all.flatMap(({ texts }) => texts)).size).toBe(count);
    expect(await readdir(folder)).toEqual([]);
  });

  it('have at most so many bytes; later ones stay in the buffer or are counted, to the line', async () => {
    const count = 3 * logLimits.bufferLines;
    let inBuffer = 0;
    const spools = new LogSpools(folder, store);
    const spool = spools.open('b-1-1');
    const descriptor = openSync(`/proc/self/fd/${spool.descriptor}`, 'r+');
    spool.started(7);
    const file = new LogSpool(descriptor, 256 * KIB);
    let isThere = false;
    const buffer = new LogBuffer({
      send: ({ blocks, dropped }, sent) => {
        if (!isThere) return false;
        inBuffer += linesOfBlocks(blocks).length + (dropped[one] ?? 0);
        sent('stored');
        return true;
      },
      spill: spillTo(file),
    });
    for (let n = 0; n < count; n += 1) buffer.push(line(`line ${n} ${n * n}`));
    isThere = true;
    buffer.flush();
    closeSync(descriptor);
    expect(await new LogSpools(folder, store).deliver([])).toBe(0);
    expect(told()).toBeGreaterThan(0);
    expect(told() + inBuffer).toBe(count);
  });

  it('that were cut when the runner ended cost that batch alone; a file that cannot be stored stays', async () => {
    orphan('b-1-1', 7, (buffer) => buffer.push(line('whole')));
    await appendFile(join(folder, 'b-1-1.7'), '{"series":"spooled","batch":9,"blo');
    expect(await new LogSpools(folder, async () => 'lost').deliver([])).toBe(1);
    expect(await new LogSpools(folder, store).deliver([])).toBe(0);
    expect(stored.map(({ texts }) => texts)).toEqual([['whole']]);
  });

  it('of the runners of this control are left alone while they live', async () => {
    const spools = new LogSpools(folder, store);
    spools.open('b-2-1').started(9);
    expect(await spools.deliver([])).toBe(0);
    expect(await readdir(folder)).toEqual(['b-2-1.9']);
    await spools.ended('b-2-1', 9);
    expect(await readdir(folder)).toEqual([]);
  });
});
