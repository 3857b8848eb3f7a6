/** Runs guests in slots of a real pool, without HTTP. */
import { randomFillSync } from 'node:crypto';
import { vetProgram } from '../../src/guest/component/vet-program.ts';
import { abis } from '../../src/guest/kernel/abi/all.ts';
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { layOutDescriptors } from '../../src/guest/kernel/abi/layout.ts';
import { providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { makeFileSystem } from '../../src/guest/kernel/fs/file-system.ts';
import type { IncomingHttp } from '../../src/guest/kernel/incoming-http.ts';
import { systemClock } from '../../src/guest/kernel/local-run.ts';
import { GasMeter, type SliceScheduler } from '../../src/guest/kernel/meter.ts';
import { Process } from '../../src/guest/kernel/process.ts';
import type { ProcessEnd } from '../../src/guest/kernel/process-end.ts';
import type { Resource } from '../../src/guest/kernel/resource.ts';
import { localSchemes } from '../../src/guest/kernel/resources/all.ts';
import { SchemeRegistry } from '../../src/guest/kernel/scheme-registry.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { type VettedModule, withMeasures } from '../../src/protocol/module.ts';
import type { GuestCode, Slot } from '../../src/runner/slot.ts';
import { compileWat } from './fleet.ts';
import './held-thread.ts';

export interface TestCode extends GuestCode {
  readonly vetted: VettedModule;
}

export async function codeOf(source: string | Uint8Array, memoryPages = 256, exactMemory = false): Promise<TestCode> {
  const original = typeof source === 'string' ? await compileWat(source) : source;
  const { module: vetted, bytes } = vetProgram(original, { provided: providedFunctions, ...providedInterfaces });
  const module = await WebAssembly.compile(new Uint8Array(bytes));
  return { module, plan: vetted.plan, abis, memoryPages, exactMemory, vetted: withMeasures(vetted) };
}

export interface GuestRun {
  readonly end: ProcessEnd;
  readonly output: string;
  readonly gas: number;
  readonly calls: readonly number[];
}

export interface RunInOptions {
  /** The request that a component of wasi:http answers. */
  readonly http?: IncomingHttp;
  /** Grants gas by slices; otherwise all at once. */
  readonly slices?: SliceScheduler;
  /** Gets the memory at the guest's end. */
  readonly memory?: (bytes: Uint8Array) => void;
}

/** Runs one Process in `slot`, which is not restored afterwards. */
export async function runIn(
  slot: Slot,
  code: GuestCode,
  input = '',
  gas = defaultLimits.gas,
  { http, slices, memory }: RunInOptions = {},
): Promise<GuestRun> {
  const output: Buffer[] = [];
  let stdin = Buffer.from(input);
  const sink: Resource = {
    scheme: 'stdout',
    read: () => -6,
    write: (bytes) => {
      output.push(Buffer.from(bytes));
      return bytes.length;
    },
    flush: () => 0,
    close: () => 0,
  };
  const source: Resource = {
    ...sink,
    scheme: 'stdin',
    read: (into) => {
      if (stdin.length === 0) return -5;
      const size = stdin.copy(into);
      stdin = stdin.subarray(size);
      return size;
    },
    write: () => -6,
  };
  const process = new Process({
    identity: { handler: 'test', deployment: 1, commit: '', invocation: 'test' },
    args: ['/', 'a=1'],
    env: new Map([['REQUEST_METHOD', 'GET']]),
    stdin: source,
    stdout: sink,
    stderr: sink,
    limits: defaultLimits,
    policy: null,
    schemes: new SchemeRegistry(localSchemes),
    meter: new GasMeter(gas, slices),
    log: { line: () => {} },
    clock: { wallMs: () => 1_700_000_000_000, monotonicNs: systemClock.monotonicNs },
    random: (into) => void randomFillSync(into),
    files: () => makeFileSystem({ lower: null, nowNs: () => 0n }),
    kv: null,
    queues: null,
    ...(http === undefined ? {} : { http }),
  });
  layOutDescriptors(process, code.plan);
  const end = await slot.guest.run(process);
  memory?.(process.memory.all);
  const calls = [...(process.counts ?? [])];
  await process.closeAll();
  return { end, output: Buffer.concat(output).toString('latin1'), gas: process.meter.used, calls };
}
