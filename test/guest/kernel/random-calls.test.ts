/**
 * No sequence of system calls, with whatever arguments, crashes the host, ends a Process as
 * `internal`, or changes a byte of memory that the call was not told about. All ABIs in abi/all.ts.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { abis } from '../../../src/guest/kernel/abi/all.ts';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { GuestFault, GuestMemory } from '../../../src/guest/kernel/memory.ts';
import { GasMeter } from '../../../src/guest/kernel/meter.ts';
import { Process } from '../../../src/guest/kernel/process.ts';
import { ProcessEnded } from '../../../src/guest/kernel/process-end.ts';
import { localSchemes } from '../../../src/guest/kernel/resources/all.ts';
import { SchemeRegistry } from '../../../src/guest/kernel/scheme-registry.ts';
import type { Abi, Syscall, SyscallResult } from '../../../src/guest/kernel/syscall.ts';
import { defaultLimits } from '../../../src/protocol/limits.ts';
import type { AbiName } from '../../../src/protocol/nouns.ts';
import { memoryKv } from '../../../ui-cli/run/services.ts';
import { bytesSource, runGuest, sink } from '../../support/run-guest.ts';

const pageBytes = 0x10000;
const urls = [
  'null:',
  'zero://',
  'random:',
  'log://?prefix=x',
  'time://utc',
  'meta://gas/used',
  'kv://bucket/key',
  'queue://name',
  'file:///tmp/name',
  'fd://1',
  'tmp/file',
  '../../..',
  'gopher://x',
  '\ufeff:',
];
/** URLs at 0, 64, 128 …, each NUL-terminated; 0xa5 elsewhere. */
const image = new Uint8Array(pageBytes).fill(0xa5);
urls.forEach((url, i) => {
  image.set(Buffer.from(`${url}\0`), i * 64);
});

/** Printed when a property fails, so it holds names and numbers only. */
interface RandomCall {
  readonly abi: AbiName;
  /** Import module of the row; tells two versions of an ABI apart. */
  readonly module: string;
  readonly index: number;
  readonly name: string;
  readonly args: readonly number[];
}

const argument = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 8 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: urls.length - 1 }).map((i) => i * 64) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: pageBytes }) },
  { weight: 2, arbitrary: fc.constantFrom(-1, -8, 0x7fffffff, -0x80000000, pageBytes - 1, pageBytes, pageBytes - 8) },
  { weight: 1, arbitrary: fc.integer() },
);
const names = abis.flatMap((abi) =>
  abi.syscalls.map(({ name, params }, index) => ({
    abi: abi.name,
    module: abi.modules[0] as string,
    index,
    name,
    arity: params.length,
  })),
);
const callOf = (rows: typeof names): fc.Arbitrary<RandomCall> =>
  fc
    .constantFrom(...rows)
    .chain(({ arity, ...name }) =>
      fc.array(argument, { minLength: arity, maxLength: arity }).map((args) => ({ ...name, args })),
    );
const randomCall = callOf(names);
/** Of what modules may import; the rest is for components. */
const moduleCall = callOf(names.filter(({ module }) => providedFunctions.some((one) => one.module === module)));

function abiOf(one: RandomCall): Abi {
  return abis.find(({ modules }) => modules[0] === one.module) as Abi;
}

function rowOf(one: RandomCall): Syscall {
  return abiOf(one).syscalls[one.index] as Syscall;
}

const services = {
  kv: { ...memoryKv(), get: async () => Uint8Array.of(1, 2, 3) },
  queues: { publish: async () => undefined },
};

/** The Process sees the first page of `memory`; the second is in reserve. */
function makeProcess(memory = new WebAssembly.Memory({ initial: 2, maximum: 2 })): Process {
  const chunks: Uint8Array[] = [];
  const process = new Process({
    identity: { handler: 'h', deployment: 1, commit: 'c', invocation: 'i' },
    args: ['guest', 'argument'],
    env: new Map([['null:', 'a value']]),
    stdin: bytesSource('standard input'),
    stdout: sink('stdout', chunks),
    stderr: sink('stderr', chunks),
    limits: defaultLimits,
    policy: null,
    schemes: new SchemeRegistry(localSchemes),
    meter: new GasMeter(1_000_000),
    log: { line: () => undefined },
    clock: { wallMs: () => 0, monotonicNs: () => 0n },
    random: (into) => void into.fill(7),
    files: () => makeFileSystem({ lower: null, nowNs: () => 0n }),
    ...services,
  });
  process.memory = new GuestMemory(memory);
  process.memory.attach(new WebAssembly.Global({ value: 'i32', mutable: true }, 1));
  process.memory.put(0, image);
  return process;
}

/** The answer, or undefined for a call that faulted, ended the Process, or went on waiting. */
async function call(process: Process, one: RandomCall): Promise<unknown> {
  const row = rowOf(one);
  const run = row.run as unknown as (process: Process, ...args: (number | bigint)[]) => SyscallResult;
  try {
    const result = run(process, ...one.args.map((arg, i) => (row.params[i]?.type === 'i64' ? BigInt(arg) : arg)));
    if (!(result instanceof Promise)) return result;
    const turns = [0, 1, 2, 3].reduce<Promise<unknown>>(
      (before) => before.then(() => new Promise((resolve) => setImmediate(resolve))),
      Promise.resolve(),
    );
    return await Promise.race([process.wait(result), turns]);
  } catch (error) {
    if (error instanceof GuestFault || error instanceof ProcessEnded) return undefined;
    throw error;
  }
}

/** Byte ranges that a call names as `X_ptr`, `X_len`. */
function named(one: RandomCall): readonly (readonly [number, number])[] {
  const { args } = one;
  const row = rowOf(one);
  return row.params.flatMap(({ name }, i) => {
    const next = row.params[i + 1]?.name;
    if (!name.endsWith('_ptr') || next !== `${name.slice(0, -4)}_len`) return [];
    const start = (args[i] as number) >>> 0;
    return [[start, start + ((args[i + 1] as number) >>> 0)] as const];
  });
}

test('rows called with random arguments answer, fault or wait: nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(randomCall, { minLength: 1, maxLength: 40 }), async (calls) => {
      const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 });
      const process = makeProcess(memory);
      for (const one of calls) {
        if (process.end !== null) break;
        const result = await call(process, one);
        expect(['number', 'bigint', 'undefined']).toContain(typeof result);
      }
      process.kill({ kind: 'aborted', message: 'end of the test' });
      await process.closeAll();
      expect(process.held.held).toBe(0);
      expect(process.descriptors.count).toBe(0);
      expect(Buffer.from(memory.buffer, pageBytes).equals(Buffer.alloc(pageBytes))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('a call of CommonWA or Dagger changes no byte outside the ranges it was given', async () => {
  const simple = randomCall.filter(({ abi }) => abi === 'cwa' || abi === 'dagger');
  await fc.assert(
    fc.asyncProperty(fc.array(simple, { minLength: 1, maxLength: 20 }), async (calls) => {
      const process = makeProcess();
      for (const one of calls) {
        if (process.end !== null) break;
        const before = process.memory.all.slice();
        await call(process, one);
        const ranges = named(one);
        const after = process.memory.all;
        if (Buffer.compare(before, after) === 0) continue;
        const outside = before.findIndex(
          (byte, at) => byte !== after[at] && !ranges.some(([start, end]) => at >= start && at < end),
        );
        expect({ ...one, outside }).toMatchObject({ outside: -1 });
      }
      process.kill({ kind: 'aborted', message: 'end of the test' });
      await process.closeAll();
    }),
    { numRuns: 200 },
  );
});

test('generated modules that make random calls end as guests do, never as internal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(moduleCall, { minLength: 1, maxLength: 25 }), async (calls) => {
      const run = await runGuest(moduleOf(calls), {
        limits: { timeoutMs: 25, gas: 100_000 },
        stdin: 'input',
        ...services,
      });
      expect(['exit', 'trap', 'gas', 'deadline']).toContain(run.end.kind);
    }),
    { numRuns: 150 },
  );
});

/** Makes the calls twice, so that descriptors of the first round are there in the second. */
function moduleOf(calls: readonly RandomCall[]): string {
  const imports = calls.map((one, i) => {
    const row = rowOf(one);
    const params = row.params.map((param) => `(param ${param.type})`).join(' ');
    const results = row.result === null ? '' : `(result ${row.result})`;
    return `(import "${one.module}" "${row.name}" (func $f${i} ${params} ${results}))`;
  });
  const body = calls.map((one, i) => {
    const row = rowOf(one);
    const given = one.args.map((arg, j) => `(${row.params[j]?.type}.const ${arg})`).join(' ');
    return row.result === null ? `(call $f${i} ${given})` : `(drop (call $f${i} ${given}))`;
  });
  return `(module ${imports.join('\n')}
    (memory 1 2)
    ${urls.map((url, i) => `(data (i32.const ${i * 64}) "${[...Buffer.from(url)].map((b) => `\\${b.toString(16).padStart(2, '0')}`).join('')}\\00")`).join('\n')}
    (func $round ${body.join('\n')})
    (func (export "main") (call $round) (call $round)))`;
}
