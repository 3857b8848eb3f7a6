/** Damaged components are refused in words, or linked to a module that the engine accepts: never an error of ours. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { linkComponent } from '../../src/guest/component/link.ts';
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { PlatformError } from '../../src/protocol/errors.ts';

const folder = join(import.meta.dirname, '../../fixtures/guests/component');
const runs = 300;
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000_000);

/** Numbers from 0 up to `below`, the same for the same seed (mulberry32). */
function randomFrom(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function damaged(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = Uint8Array.from(original);
  // Most of a component is code: every other change hits what lies outside of the large core modules, at the end.
  const tail = Math.min(bytes.length - 8, 6000);
  for (let changes = 1 + random(4); changes > 0; changes -= 1) {
    const at = random(2) === 0 ? 8 + random(bytes.length - 8) : bytes.length - 1 - random(tail);
    bytes[at] = random(3) === 0 ? random(256) : (bytes[at] as number) ^ (1 << random(8));
  }
  return random(10) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

it.each(['http.wasm', 'cgi.wasm'])(`${runs} damaged copies of %s (FUZZ_SEED=${seed})`, (name) => {
  const original = readFileSync(join(folder, name));
  const random = randomFrom(seed);
  for (let run = 0; run < runs; run += 1) {
    const bytes = damaged(original, random);
    try {
      const linked = linkComponent(bytes, { provided: providedInterfaces.interfaces });
      expect(WebAssembly.validate(linked.bytes as Uint8Array<ArrayBuffer>), `run ${run}`).toBe(true);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw new Error(`run ${run} of seed ${seed}`, { cause: error });
      expect(error.code, `run ${run}`).not.toBe('internal');
    }
  }
});
