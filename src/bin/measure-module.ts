/** Measures, in the vet child, what a rewritten module costs the runners that serve it. */
import { readFileSync } from 'node:fs';
import { GuestInstance, makeMemory } from '../guest/kernel/instance.ts';
import type { Abi } from '../guest/kernel/syscall.ts';
import { PlatformError } from '../protocol/errors.ts';
import { MIB } from '../protocol/limits.ts';
import { type ModuleMeasures, type RewrittenModule, withMeasures } from '../protocol/module.ts';

export interface MeasureLimits {
  /** Processor time of one instantiation on an idle machine, in milliseconds, entries of tables excluded. */
  readonly instantiationMs: number;
  /** Processor time added for each initial entry of tables, in microseconds on an idle machine. */
  readonly tableEntryUs: number;
  /** Number of instances made; the median of their times is taken. */
  readonly samples: number;
}

export const measureLimits: MeasureLimits = {
  // Instantiation blocks the event loop of the runner, and a module whose instances cannot be recycled is instantiated
  // in each call. Ruby with its library, 30 MB, takes about 20 ms.
  instantiationMs: 50,
  // Measured: 0.12 to 0.2. The engine writes about 32 bytes per entry, on new memory pages.
  tableEntryUs: 0.25,
  samples: 5,
};

export interface MeasureOptions {
  /** Name of the module in messages. */
  readonly name: string;
  /** ABIs that the module may import. */
  readonly abis: readonly Abi[];
  /** Limits used instead of measureLimits, by tests. */
  readonly limits?: MeasureLimits;
}

/**
 * Reference by which the machine's present slowness is measured. A vet child runs beside runners and other vets, and a
 * module must not be refused because they are busy. Writing to new memory, which is most of an instantiation, is timed:
 * 2 MiB (32 pages) take 1.1 ms of processor time on an idle machine.
 */
const reference = { pages: 32, idleUs: 1100, slownessMax: 10 } as const;

/** Keeps every compiled module: code freed while the next module is measured would be subtracted from its size. */
const kept: WebAssembly.Module[] = [];

/**
 * Compiles `bytes`, which were rewritten to `module`, makes instances and returns the measures. Runs no code of the
 * guest: rewriting has turned its start function into an export (try-start.ts).
 * Throws `module_invalid` when instantiation traps (a segment out of bounds), `module_too_large` when it takes longer
 * than `limits` allow, and a WebAssembly.CompileError when the engine refuses the bytes.
 */
export async function measureModule(
  bytes: Uint8Array,
  module: RewrittenModule,
  { name, abis, limits = measureLimits }: MeasureOptions,
): Promise<{ readonly measures: ModuleMeasures; readonly compiled: WebAssembly.Module; readonly compileMs: number }> {
  const codeBefore = committedCodeBytes();
  const startMs = performance.now();
  const compiled = await WebAssembly.compile(Uint8Array.from(bytes));
  const compileMs = performance.now() - startMs;
  kept.push(compiled);
  const instantiationUs = measureInstantiation(compiled, module, { name, abis, limits });
  const codeAfter = committedCodeBytes();
  const codeBytes =
    codeBefore === null || codeAfter === null ? withMeasures(module).codeBytes : Math.max(0, codeAfter - codeBefore);
  return { measures: { codeBytes, instantiationUs }, compiled, compileMs };
}

/**
 * Returns the median processor time of making an instance with a new memory, in microseconds. Throws as measureModule
 * does.
 */
function measureInstantiation(
  compiled: WebAssembly.Module,
  module: RewrittenModule,
  { name, abis, limits }: Required<MeasureOptions>,
): number {
  const tableUs = (module.plan.tableEntries ?? 0) * limits.tableEntryUs;
  const limitUs = (limits.instantiationMs * 1000 + tableUs) * slowness();
  const samplesUs: number[] = [];
  while (samplesUs.length < limits.samples) {
    const sampleUs = cpuUs(() => instantiate(compiled, module, { name, abis }));
    // Throws at the first sample: each sample of such a module may hold hundreds of megabytes.
    if (sampleUs > 3 * limitUs) throw tooSlow(module, name, { takenUs: sampleUs, limitUs });
    samplesUs.push(sampleUs);
  }
  const medianUs = samplesUs.sort((left, right) => left - right)[samplesUs.length >> 1] ?? 0;
  if (medianUs > limitUs) throw tooSlow(module, name, { takenUs: medianUs, limitUs });
  return medianUs;
}

function instantiate(
  compiled: WebAssembly.Module,
  module: RewrittenModule,
  { name, abis }: Pick<MeasureOptions, 'name' | 'abis'>,
): void {
  const { plan } = module;
  const instance = new GuestInstance({
    module: compiled,
    plan,
    abis,
    memory: makeMemory(plan, { limit: 0, reserve: 0 }),
  });
  try {
    instance.instantiate();
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    throw new PlatformError('module_invalid', `${name} cannot be instantiated`, {
      details: [error.message.replace(/^WebAssembly\.Instance\(\): /, '')],
      hints: ['no call of it could succeed: a segment lies outside of its memory or table'],
    });
  }
}

/** Returns 1 on an idle machine, more on a slow or busy one, at most `reference.slownessMax`. */
function slowness(): number {
  const touch = () => cpuUs(() => new Uint8Array(new WebAssembly.Memory({ initial: reference.pages }).buffer).fill(1));
  const middleUs = [touch(), touch(), touch()].sort((left, right) => left - right)[1] ?? 0;
  return Math.min(Math.max(middleUs / reference.idleUs, 1), reference.slownessMax);
}

/**
 * Returns the processor time that this process uses while `work` runs, in microseconds; time of other processes is not
 * counted. (The clock of a single thread moves in steps of up to 3 ms.)
 */
function cpuUs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return used.user + used.system;
}

function tooSlow(
  { plan, originalBytes }: RewrittenModule,
  name: string,
  { takenUs, limitUs }: { readonly takenUs: number; readonly limitUs: number },
): PlatformError {
  const count = (value: number, noun: string) => `${value.toLocaleString('en-US')} ${noun}`;
  return new PlatformError(
    'module_too_large',
    `${name} takes ${Math.round(takenUs / 1000)} ms to instantiate, ${Math.round(limitUs / 1000)} ms at most`,
    {
      details: [
        `it has ${count(plan.imports.length, 'imports')}, ` +
          `${count(plan.tableEntries ?? 0, 'table entries')}, ${count(plan.memory?.initialPages ?? 0, 'pages of memory')} ` +
          `and ${(originalBytes / MIB).toFixed(1)} MiB of code and data`,
      ],
      hints: [
        'a call may need a new instance, and nothing else runs on its thread meanwhile: export and import less, and load large data when it is needed',
      ],
    },
  );
}

/**
 * Returns the bytes of anonymous executable memory of this process: what V8 has committed for machine code. Returns
 * null when /proc/self/maps (proc(5)) does not exist or cannot be read.
 */
function committedCodeBytes(): number | null {
  let maps: string;
  try {
    maps = readFileSync('/proc/self/maps', 'latin1');
  } catch {
    return null;
  }
  let total = 0;
  // address range, permissions, offset, device, inode: `55d0-55d8 r-xp 00000000 00:00 0`; inode 0: backed by no file
  for (const [, start, end] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) ..x. \S+ \S+ 0(?:\s|$)/gm))
    total += Number.parseInt(end ?? '', 16) - Number.parseInt(start ?? '', 16);
  return total;
}
