/**
 * Snapshots of large run times: a JavaScript engine, and Go where a compiler for it is installed (1.24 or later; the
 * variable GO names another than go). A call from the snapshot and one that runs the start-up itself answer the same.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { abis } from '../../../src/guest/kernel/abi/all.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { withMeasures } from '../../../src/protocol/module.ts';
import { MemoryBudget } from '../../../src/runner/memory-budget.ts';
import { SlotPool } from '../../../src/runner/pool.ts';
import { runGuest, runVetted } from '../../support/run-guest.ts';
import { runIn } from '../../support/runner-guests.ts';
import { take } from '../../support/snapshots.ts';

const guests = join(import.meta.dirname, '../../../bench/guests');

interface Guest {
  readonly wasm: () => Uint8Array;
  readonly answer: (path: string) => string;
  /** Least ratio of the gas of a call without a snapshot to that of one with it. */
  readonly saves: number;
}

function json(path: string): string {
  return JSON.stringify({ path, of: 2_000, at: 42, text: path.replace(/[a-c]/g, (c) => c.toUpperCase()) });
}

const engines: Readonly<Record<string, Guest>> = {
  QuickJS: {
    wasm: () => gunzipSync(readFileSync(join(guests, 'quickjs.wasm.gz'))),
    answer: (path) => `Content-Type: application/json\n\n${json(path)}\n`,
    saves: 100,
  },
  'a Go reactor': {
    wasm: buildGo,
    answer: (path) => `Content-Type: text/plain\n\n78498 primes, call 1, ${path}\n`,
    saves: 1_000,
  },
};

const go = process.env.GO ?? 'go';
const goVersion = /^go1\.(\d+)/.exec(spawnSync(go, ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout ?? '')?.[1];
const hasGo = Number(goVersion ?? 0) >= 24;
if (!hasGo)
  console.log(
    `no Go 1.24 or later (${goVersion === undefined ? 'none' : `1.${goVersion}`}): its snapshot is not tested`,
  );

function buildGo(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-go-'));
  try {
    const file = join(folder, 'reactor.wasm');
    const args = ['build', '-buildmode=c-shared', '-ldflags', '-s -w', '-o', file, join(guests, 'reactor.go')];
    const target = { GO111MODULE: 'off', GOTOOLCHAIN: 'local', GOOS: 'wasip1', GOARCH: 'wasm' };
    const { status, stderr } = spawnSync(go, args, { encoding: 'utf8', env: { ...process.env, ...target } });
    if (status !== 0) throw new Error(stderr);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

for (const [name, { wasm, answer, saves }] of Object.entries(engines))
  it.skipIf(name.includes('Go') && !hasGo)(
    `${name} answers the same from its snapshot, for a fraction of the gas`,
    async () => {
      const module = wasm();
      const snapshot = await take(module);
      for (const path of ['/abc', '/x']) {
        const options = { env: { PATH_INFO: path } };
        const each = await runGuest(module, options);
        const once = await runVetted(snapshot, options);
        expect(text(each.stdout)).toBe(answer(path));
        expect(text(once.stdout)).toBe(answer(path));
        expect(once.end).toEqual(each.end);
        expect(each.usage.gas).toBeGreaterThan(saves * once.usage.gas);
      }
      // In slots, which are restored between the calls; there is no PATH_INFO.
      const code = {
        module: await WebAssembly.compile(Uint8Array.from(snapshot.bytes)),
        plan: snapshot.module.plan,
        abis,
        memoryPages: 2_048,
        exactMemory: false,
        vetted: withMeasures(snapshot.module),
      };
      const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
      const seen = new Set<unknown>();
      const answers = new Set<string>();
      for (let life = 0; life < 30; life++) {
        const slot = pool.take();
        if (slot === null) throw new Error('no slot');
        const run = await runIn(slot, code, '', 1_000_000_000);
        expect(run.end.kind).toBe('exit');
        answers.add(run.output);
        seen.add(slot);
        pool.give(slot, true);
      }
      pool.close();
      expect([...answers]).toEqual([answer('')]);
      // Few slots: they have been set back, not made anew.
      expect(seen.size).toBeLessThan(5);
    },
    // The first build compiles Go's own library: 18 s of processor time.
    600_000,
  );
