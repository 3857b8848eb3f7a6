/** Source lines in stacks: those of the pushed module, found again in the rewritten code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { wasmFrames } from '../../../src/guest/kernel/wasm-stack.ts';
import { mayHaveLines, readSourceMapUrl } from '../../../src/guest/wasm/lines/debug-sections.ts';
import { LineTable, lineSection } from '../../../src/guest/wasm/lines/line-table.ts';
import { sourceLineLimits } from '../../../src/guest/wasm/lines/rows.ts';
import { readSourceLines } from '../../../src/guest/wasm/lines/source-lines.ts';
import { vetModule } from '../../../src/guest/wasm/rewrite.ts';
import { randomOf } from '../../support/random.ts';
import { runVetted } from '../../support/run-guest.ts';
import { take } from '../../support/snapshots.ts';
import { as64, customSection, sourceMapOf, withoutCustoms, withSection } from '../../support/source-lines.ts';
import { wat } from '../../support/wasm.ts';

/** As a vet child does it. */
function vet(bytes: Uint8Array, map: Uint8Array | null = null) {
  const lines = mayHaveLines(bytes, map) ? readSourceLines(bytes, map) : null;
  return vetModule(bytes, { provided: providedFunctions, lines });
}

async function stackOf(bytes: Uint8Array, map: Uint8Array | null = null, gas = 1e9): Promise<readonly string[]> {
  return (await runVetted(vet(bytes, map), { limits: { gas } })).guest.stack;
}

function withLines(name: string): Uint8Array {
  return readFileSync(join(import.meta.dirname, '../../../fixtures/debug', `lines-${name}.wasm`));
}

const sections = (bytes: Uint8Array, name: string): ArrayBuffer[] =>
  WebAssembly.Module.customSections(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), name);

it('a module without debug information is not read for lines', () => {
  const bytes = wat('(module (func (export "cwa_main")))');
  expect(mayHaveLines(bytes, null)).toBe(false);
  expect(mayHaveLines(withSection(bytes, 'name', Buffer.of(0)), null)).toBe(false);
});

describe('a module with DWARF', () => {
  it.each(['dwarf4', 'dwarf5', 'dwarf4-optimised', 'dwarf5-optimised'])(
    'tells the lines of a trap: %s',
    async (name) => {
      expect(await stackOf(withLines(name))).toEqual([
        'divide (src/divide.h:4)',
        'sum (src/lines.c:13)',
        'logged (src/lines.c:18)',
        'cwa_main (src/lines.c:23)',
      ]);
    },
  );

  it.each(['dwarf4', 'dwarf5', 'dwarf4-optimised', 'dwarf5-optimised'])(
    'has the same lines in the 64-bit form: %s',
    (name) => {
      const bytes = withLines(name);
      const line = Buffer.from(sections(bytes, '.debug_line')[0] as ArrayBuffer);
      const others = ['.debug_str', '.debug_line_str'].flatMap((other) =>
        sections(bytes, other).map((contents) => [other, new Uint8Array(contents)] as const),
      );
      const wide = [['.debug_line', as64(line)] as const, ...others].reduce(
        (module, [section, contents]) => withSection(module, section, contents),
        withoutCustoms(bytes),
      );
      expect(readSourceLines(wide, null)).toEqual(readSourceLines(bytes, null));
      expect(readSourceLines(wide, null)?.addresses.length).toBeGreaterThan(5);
      // Cut anywhere, it has no other rows than the whole.
      const whole = as64(line);
      for (let length = 0; length < whole.length; length += 5) {
        const cut = readSourceLines(withSection(withoutCustoms(bytes), '.debug_line', whole.subarray(0, length)), null);
        expect(cut?.addresses.length ?? 0).toBeLessThanOrEqual(readSourceLines(bytes, null)?.addresses.length ?? 0);
      }
    },
  );

  it('tells the line at which its gas ended', async () => {
    const stack = await stackOf(withLines('dwarf5'), null, 700);
    expect(stack).toEqual([
      expect.stringMatching(/^sum \(src\/lines\.c:1[0-3]\)$/),
      'logged (src/lines.c:18)',
      'cwa_main (src/lines.c:23)',
    ]);
  });

  it('loses the debug information itself: runners do not need it', () => {
    const { bytes } = vet(withLines('dwarf5'));
    expect(sections(withLines('dwarf5'), '.debug_line')).toHaveLength(1);
    for (const name of ['.debug_line', '.debug_info', '.debug_str']) expect(sections(bytes, name)).toEqual([]);
    expect(sections(bytes, lineSection)).toHaveLength(1);
  });
});

it('a function whose name has several lines, looks like a place, or is empty, is on the stack', async () => {
  const names = ['two\nlines', '\u001b[31m\u202e', 'y (wasm://wasm/1:wasm-function[7]:0x1)\nz', ''];
  const bytes = withoutCustoms(
    wat(`(module (func unreachable) (func (call 0)) (func (call 1)) (func (export "main") (call 2)))`),
  );
  const entries = names.flatMap((name, index) => [index, ...customSection.name(name)]);
  const contents = Uint8Array.from([1, entries.length + 1, names.length, ...entries]);
  const run = await runVetted(vet(withSection(bytes, 'name', contents)));
  expect(run.end).toEqual({ kind: 'trap', message: 'unreachable in two\nlines' });
  expect(run.guest.stack).toEqual(names.map((name, index) => (name === '' ? `function ${index}` : name)));
});

/** Programs that trap behind every kind of code that the meter changes. */
const programs: Readonly<Record<string, string>> = {
  'a counted loop': `(local $i i32) (loop $l (drop (i32.div_u (i32.const 7) (i32.sub (i32.const 40) (local.get $i))))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 90))))`,
  'a loop with a call': `(local $i i32) (loop $l (call $at (local.get $i))
    (local.set $i (i32.add (local.get $i) (i32.const 3))) (br $l))`,
  'bulk memory': `(memory.fill (i32.const 8) (i32.const 1) (i32.const 300)) (drop (memory.grow (i32.const 1)))
    (drop (memory.size)) (memory.copy (i32.const 0) (i32.const 8) (i32.const 9999999))`,
  'a return in a loop': `(local $i i32) (block $b (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (if (i32.gt_u (local.get $i) (i32.const 500)) (then (call $at (i32.const 41)) (return))) (br $l)))`,
  'a long block': `${'(drop (i32.const 1)) '.repeat(400)} unreachable`,
  'an indirect call': '(call_indirect (type $to) (i32.const 40) (i32.const 1))',
};
const program = (body: string) =>
  wat(`(module (type $to (func (param i32)))
    (import "cwa" "runtime_msleep" (func $sleep (param i32)))
    (memory (export "memory") 1) (table 2 funcref) (elem (i32.const 1) $at)
    (func $at (type $to) (call $sleep (i32.const 0))
      (drop (i32.div_u (i32.const 1) (i32.lt_u (local.get 0) (i32.const 40)))))
    (func $main (export "cwa_main") ${body}))`);

describe('a module with a source map', () => {
  it.each(Object.keys(programs))('has each frame where the engine saw it in the pushed module: %s', async (name) => {
    const bytes = program(programs[name] ?? '');
    const original = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      cwa: { runtime_msleep: () => undefined },
    });
    let thrown: unknown;
    try {
      (original.exports.cwa_main as () => void)();
    } catch (error) {
      thrown = error;
    }
    const seen = wasmFrames(thrown, { imported: 10, framesMax: 32 }).map(
      ({ name: fn, offset }) => `${fn} (a.ts:${offset})`,
    );
    expect(seen.length).toBeGreaterThan(0);
    // Every byte of the module has a line of its own: the one of its offset.
    expect(await stackOf(bytes, sourceMapOf(bytes.length))).toEqual(seen);
  });

  it('may bring it as a data: URL, with and without base64', async () => {
    const bytes = program('unreachable');
    const map = sourceMapOf(bytes.length);
    const [line] = await stackOf(bytes, map);
    expect(line).toMatch(/^main \(a\.ts:\d+\)$/);
    const url = (data: string) => withSection(bytes, 'sourceMappingURL', customSection.name(data));
    const base64 = url(`data:application/json;base64,${Buffer.from(map).toString('base64')}`);
    expect(await stackOf(base64)).toEqual([line]);
    expect(await stackOf(url(`data:application/json,${encodeURIComponent(Buffer.from(map).toString())}`))).toEqual([
      line,
    ]);
    expect(sections(vet(base64).bytes, 'sourceMappingURL')).toEqual([]);
    expect(readSourceMapUrl(url('out/release.wasm.map'))).toBe('out/release.wasm.map');
    expect(readSourceMapUrl(bytes)).toBeNull();
  });

  it('may bring it in parts, each from its offset to that of the next', async () => {
    const bytes = program('(call $at (i32.const 1)) unreachable');
    const part = (column: number, source: string, line = 0) => ({
      offset: { line, column },
      map: JSON.parse(Buffer.from(sourceMapOf(bytes.length, source)).toString()) as unknown,
    });
    const partsOf = (...sections: unknown[]) => Buffer.from(JSON.stringify({ version: 3, sections }));
    const linesOf = (map: Uint8Array) => {
      const { files, addresses, places } = readSourceLines(bytes, map) ?? { files: [], addresses: [], places: [] };
      return [...addresses].map((address, at) => {
        const place = places[at] as number;
        return [address, place === 0 ? null : `${files[place >>> 20]}:${place & 0xf_ffff}`];
      });
    };
    expect(linesOf(partsOf(part(0, 'a.ts')))).toEqual(linesOf(sourceMapOf(bytes.length)));
    const stack = await stackOf(bytes, sourceMapOf(bytes.length));
    expect(await stackOf(bytes, partsOf(part(0, 'a.ts')))).toEqual(stack);
    // The second part begins again with its own line 1 and its own sources.
    const whole = linesOf(sourceMapOf(bytes.length)) as [number, string][];
    const offsetOf = (line: string | undefined) => Number(line?.replace('a.ts:', ''));
    const middle = offsetOf(whole[whole.length >> 1]?.[1]);
    const both = new Map(linesOf(partsOf(part(0, 'a.ts'), part(middle, 'b.ts'))) as [number, string][]);
    expect(whole.length).toBeGreaterThan(20);
    for (const [address, line] of whole) {
      const offset = offsetOf(line);
      // The first column of these maps has no line.
      const expected = offset < middle ? line : offset === middle ? null : `b.ts:${offset - middle}`;
      expect(both.get(address)).toBe(expected);
    }
    // What stands in other lines, has no offset or no map of its own is left out; the others count.
    const odd = [null, 7, [], {}, { offset: null }, { offset: { line: 0, column: 'x' }, map: {} }, part(0, 'c.ts', 1)];
    const nested = { offset: { line: 0, column: 0 }, map: { sections: [part(0, 'd.ts')] } };
    expect(await stackOf(bytes, partsOf(...odd, part(0, 'a.ts'), ...odd))).toEqual(stack);
    expect(await stackOf(bytes, partsOf(nested))).toEqual(stack.map((frame) => frame.split(' (')[0]));
    expect(await stackOf(bytes, partsOf(...odd, { offset: { line: 0, column: -5 }, map: null }))).toEqual(
      stack.map((frame) => frame.split(' (')[0]),
    );
  });

  it('finds its lines again after its start-up has run, in the code around the image', async () => {
    const bytes = wat(`(module (memory (export "memory") 4) (global $g (mut i32) (i32.const 0))
      (func $init (export "_initialize") (memory.fill (i32.const 9) (i32.const 7) (i32.const 5000))
        (global.set $g (i32.const 70000)))
      (func $main (export "cwa_main") (drop (i32.div_u (i32.const 1) (i32.sub (global.get $g) (i32.const 70000))))))`);
    const map = sourceMapOf(bytes.length);
    const snapshot = await take(bytes, { lines: readSourceLines(bytes, map) });
    const run = await runVetted(snapshot);
    expect(run.guest.stack).toEqual([expect.stringMatching(/^main \(a\.ts:\d+\)$/)]);
    expect(run.guest.stack).toEqual(await stackOf(bytes, map));
  });

  it('shows names of files as one line that is not too long', async () => {
    const bytes = program('unreachable');
    const named = (source: unknown) => stackOf(bytes, sourceMapOf(bytes.length, source));
    expect((await named('\u202ea\nb\0'))[0]).toMatch(/^main \(\ufffda\ufffdb\ufffd:\d+\)$/);
    expect((await named(`${'x/'.repeat(200)}end.ts`))[0]).toMatch(/^main \(…[x/]+end\.ts:\d+\)$/);
    expect((await named('é'.repeat(1_000)))[0]?.length).toBeLessThan(sourceLineLimits.fileChars + 30);
    for (const source of [7, null, '', ['a'], {}]) expect(await named(source)).toEqual(['main']);
  });
});

describe('bytes that make no sense', () => {
  const plain = program('unreachable');

  it.each([
    ['no JSON', '{"sources":'],
    ['no object', '[]'],
    ['null', 'null'],
    ['no mappings', '{"version":3,"sources":["a"]}'],
    ['numbers as mappings', '{"version":3,"sources":["a"],"mappings":7}'],
    ['other characters', '{"version":3,"sources":["a"],"mappings":"AA€A"}'],
    ['a number without an end', `{"version":3,"sources":["a"],"mappings":"${'g'.repeat(1_000)}"}`],
    ['columns below 0', '{"version":3,"sources":["a"],"mappings":"DAAA,DAAA"}'],
    ['no parts', '{"version":3,"sections":[]}'],
    ['parts that are none', '{"version":3,"sections":[null,1,[[]],{"offset":{"line":0,"column":1},"map":"AAAA"}]}'],
    ['brackets', '['.repeat(1_000_000)],
    ['a hostile prototype', '{"__proto__":{"sources":["a"]},"mappings":"AAAA"}'],
  ])('as a source map leave the names: %s', async (_, text) => {
    expect(await stackOf(plain, Buffer.from(text))).toEqual(['main']);
  });

  it('as a URL of a source map leave the names', async () => {
    for (const url of [
      'data:application/json,%',
      'data:application/json;base64,!!!!',
      'data:text/html,{}',
      '',
      'http://x/',
    ])
      expect(await stackOf(withSection(plain, 'sourceMappingURL', customSection.name(url)))).toEqual(['main']);
    expect(await stackOf(withSection(plain, 'sourceMappingURL', Uint8Array.of(0xff, 0xff)))).toEqual(['main']);
  });

  it('as a table of lines of its own are left out', async () => {
    const own = withSection(plain, lineSection, Uint8Array.of(9, 9, 9, 9, 9));
    expect(sections(vet(own).bytes, lineSection)).toEqual([]);
    // An Artifact of an earlier version may have one.
    for (const bytes of [
      [],
      [255, 255, 255, 255],
      [1, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 0x7b],
      [0, 0, 0, 0, 0x7b, 0x7d],
    ])
      expect(LineTable.of(new WebAssembly.Module(withSection(plain, lineSection, Uint8Array.from(bytes))))).toBeNull();
  });

  it('in DWARF leave names, and lines of what was read before', async () => {
    const seed = Date.now() % 2 ** 31;
    const random = randomOf(seed);
    const original = withLines('dwarf5');
    const section = Buffer.from(sections(original, '.debug_line')[0] as ArrayBuffer);
    const start = Buffer.from(original).indexOf(section);
    const names = ['divide', 'sum', 'logged', 'cwa_main'];
    for (let round = 0; round < 60; round += 1) {
      const bytes = Uint8Array.from(original);
      for (let change = 1 + random(12); change > 0; change -= 1) bytes[start + random(section.length)] = random(256);
      const stack = await stackOf(bytes);
      expect(
        stack.map((frame) => frame.split(' (')[0]),
        `seed ${seed}`,
      ).toEqual(names);
    }
    for (let length = 0; length < section.length; length += 7)
      expect((await stackOf(withSection(plain, '.debug_line', section.subarray(0, length)))).length).toBe(1);
  });
});

it('a table has at most so many rows and files', () => {
  const bytes = wat(`(module (func (export "main") ${'(drop (i32.const 1))'.repeat(100_000)}))`);
  const lines = readSourceLines(bytes, sourceMapOf(bytes.length));
  expect(lines?.addresses.length).toBe(sourceLineLimits.rows);
  expect(lines?.addresses.every((address, at) => at === 0 || address > (lines.addresses[at - 1] as number))).toBe(true);
  const files = Array.from({ length: sourceLineLimits.files + 5 }, (_, n) => `f${n}.ts`);
  expect(readSourceLines(bytes, sourceMapOf(bytes.length, files))?.files.length).toBe(sourceLineLimits.files);
  expect(readSourceLines(bytes, new Uint8Array(sourceLineLimits.mapBytes + 1).fill(0x20))).toBeNull();
});
