/**
 * Runs one module once, in this process, for `wasmcloud run` and the tests of the kernel. Instance, meter, system calls
 * and policy are those of a runner; the caller provides streams, log and services.
 */
import { randomFillSync } from 'node:crypto';
import type { Limits } from '../../protocol/limits.ts';
import type { InstancePlan } from '../../protocol/module.ts';
import type { Policy } from '../../protocol/nouns.ts';
import { abis } from './abi/all.ts';
import { layOutDescriptors } from './abi/layout.ts';
import type { GasSampler } from './gas-sampler.ts';
import { GuestInstance, makeMemory } from './instance.ts';
import { GasMeter, type SliceScheduler } from './meter.ts';
import { CompiledPolicy } from './policy.ts';
import { type Clock, Process, type ProcessLog, type ProcessOptions, type Scheme } from './process.ts';
import type { ProcessEnd } from './process-end.ts';
import { SchemeRegistry } from './scheme-registry.ts';
import type { Tracer } from './syscall.ts';
import { type ProcessUsage, processUsage } from './usage.ts';

type Given = 'args' | 'env' | 'stdin' | 'stdout' | 'stderr' | 'http' | 'files' | 'kv' | 'queues';

export interface LocalRunOptions extends Pick<ProcessOptions, Given> {
  /** Module compiled from the rewritten bytes. */
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
  readonly limits: Limits;
  readonly policy: Policy | null;
  /** Whether to make the memory without a reserve, so that every access beyond memory.size traps. */
  readonly exactMemory?: boolean;
  readonly schemes: readonly Scheme[];
  readonly log: ProcessLog;
  readonly tracer?: Tracer;
  readonly clock?: Clock;
  readonly random?: (into: Uint8Array) => void;
  /** Ends the run, as `aborted`, when it is aborted (Ctrl-C). */
  readonly signal?: AbortSignal;
  /** Profiles the gas of the run; absent: nothing does. */
  readonly sampler?: GasSampler;
  /** Called with the Process before its guest runs. */
  readonly started?: (guest: Process) => void;
  /** Called with the Process and its instance when the guest has ended, before its Resources are closed. */
  readonly ended?: (guest: Process, instance: GuestInstance) => void;
}

export interface LocalRunResult {
  readonly end: ProcessEnd;
  readonly usage: ProcessUsage;
  /** Milliseconds from the first instruction to the close of the last Resource. */
  readonly durationMs: number;
  readonly guest: Process;
}

/** Gas of one slice, 1 to 2 ms of work. Deadlines, Ctrl-C and streams are served between slices. */
const localSliceGas = 5_000_000;

/**
 * Most milliseconds for closing at the end, so that a close handshake without an answer does not keep the tool alive.
 */
const closeTimeoutMs = 5_000;

const yieldingScheduler: SliceScheduler = {
  sliceGas: () => localSliceGas,
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicNs: () => process.hrtime.bigint(),
};

/**
 * Runs the guest to its end, closes its Resources, and returns how it ended and what it used. Never throws for anything
 * that the guest does: `end` has it. The standard streams belong to the caller and stay open.
 */
export async function runLocally(options: LocalRunOptions): Promise<LocalRunResult> {
  const { plan, limits, signal } = options;
  const sampled = options.sampler?.slices(yieldingScheduler);
  const guest = new Process({
    ...options,
    identity: { handler: 'local', deployment: 0, commit: '', invocation: 'local' },
    policy: options.policy === null ? null : new CompiledPolicy(options.policy),
    schemes: new SchemeRegistry(options.schemes),
    meter: new GasMeter(limits.gas, sampled ?? yieldingScheduler),
    clock: options.clock ?? systemClock,
    random: options.random ?? ((into) => void randomFillSync(into)),
  });
  const instance = new GuestInstance({
    module: options.module,
    plan,
    abis,
    memory: makeMemory(plan, {
      limit: limits.memoryPages,
      reserve: options.exactMemory === true ? 0 : (plan.memory?.reserve?.pages ?? 0),
    }),
    ...(options.tracer === undefined ? {} : { tracer: options.tracer }),
  });
  layOutDescriptors(guest, plan);
  options.started?.(guest);

  const abort = () => guest.kill({ kind: 'aborted', message: 'interrupted' });
  signal?.addEventListener('abort', abort);
  const deadline = setTimeout(() => guest.kill({ kind: 'deadline', timeoutMs: limits.timeoutMs }), limits.timeoutMs);
  const before = performance.now();
  try {
    if (signal?.aborted === true) abort();
    const end = await instance.run(guest);
    sampled?.ended(guest.meter.used);
    options.ended?.(guest, instance);
    await releaseInTime(guest);
    return { end, usage: processUsage(guest, plan), durationMs: performance.now() - before, guest: guest };
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', abort);
  }
}

async function releaseInTime(guest: Process): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, closeTimeoutMs);
  });
  await Promise.race([guest.closeAll(), late]);
  clearTimeout(timer);
}
