/**
 * Runs, in the vet child, what each call of a module runs before its entry point: the start function and `_initialize`,
 * up to the first system call. Code before it has no input, so it does the same in every call: a module for which it
 * traps, or uses up the gas of a call, could answer nothing.
 */
import { GuestInstance, makeMemory } from '../guest/kernel/instance.ts';
import { GasMeter } from '../guest/kernel/meter.ts';
import { Process, type ProcessOptions } from '../guest/kernel/process.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import type { Abi } from '../guest/kernel/syscall.ts';
import { startUpLimits } from '../guest/snapshot/limits.ts';
import { PlatformError } from '../protocol/errors.ts';
import { defaultLimits, type Limits, MIB, PAGE_BYTES } from '../protocol/limits.ts';
import type { InstancePlan } from '../protocol/module.ts';
import { reserveLimits } from '../runner/limits.ts';

export interface TrialLimits {
  /** Gas of the trial. */
  readonly gas: number;
  /** Wall clock of the trial, in milliseconds. */
  readonly timeoutMs: number;
  /** Pages that the memory may grow to. */
  readonly memoryPages: number;
}

export const trialLimits: TrialLimits = {
  gas: startUpLimits.gas,
  timeoutMs: startUpLimits.timeoutMs,
  // 256 MiB: a quarter of the memory that a vet child may have.
  memoryPages: (256 * MIB) / PAGE_BYTES,
};

export interface TrialOptions {
  /** Name of the module in messages. */
  readonly name: string;
  /** ABIs that the module may import. None of their calls is made. */
  readonly abis: readonly Abi[];
  /** Limits of the module's calls. */
  readonly limits: Pick<Limits, 'gas' | 'memoryPages'>;
  /** Limits used instead of trialLimits, by tests. */
  readonly trial?: TrialLimits;
}

/** Lines of the guest's stack that an error shows. */
const stackShown = 5;

/**
 * Tries the start of `compiled`, whose `plan` has a start function or `_initialize`. Throws `module_invalid` when no
 * call under `limits` could get past it. Returns when the start has returned, and also when nothing is known: it made a
 * system call, or reached a limit of the trial that is not one of its calls.
 */
export async function tryStart(compiled: WebAssembly.Module, plan: InstancePlan, options: TrialOptions): Promise<void> {
  const { name, abis, limits, trial = trialLimits } = options;
  const names = [plan.start, plan.initialize].filter((one) => one !== null);
  const pages = Math.min(limits.memoryPages, trial.memoryPages);
  const gas = Math.min(limits.gas, trial.gas);
  const guest = new Process({
    ...noServices(name),
    limits: { ...defaultLimits, memoryPages: pages, gas },
    meter: new GasMeter(gas, {
      sliceGas: () => 50_000_000,
      turn: () => new Promise((resolve) => setImmediate(resolve)),
    }),
  });
  const stop = () => guest.kill({ kind: 'aborted', message: 'the trial is over' });
  const instance = new GuestInstance({
    module: compiled,
    // Calls the two and nothing else: no entry point, and nothing that an ABI does at the end of a call.
    plan: {
      ...plan,
      abis: [],
      start: names.length > 1 ? (names[0] ?? null) : null,
      initialize: null,
      entry: { name: names.at(-1) ?? '', returnsStatus: false },
    },
    abis,
    // The largest reserve that a runner gives: what does not trap there does not trap here.
    memory: makeMemory(plan, { limit: pages, reserve: reserveLimits.pagesMax }),
    tracer: {
      // Unwinds the guest before the system call is made.
      call: (caller) => caller.endNow({ kind: 'aborted', message: 'a system call' }),
      done: () => {},
    },
  });
  const timer = setTimeout(stop, trial.timeoutMs);
  const end = await instance.run(guest);
  clearTimeout(timer);
  const refused = (what: string, ...hints: readonly string[]) =>
    new PlatformError('module_invalid', `${name} cannot start: ${subject(plan)} ${what}`, {
      details: guest.stack.slice(0, stackShown),
      hints: ['no call could succeed: it runs first in each of them, alike', ...hints],
    });
  switch (end.kind) {
    case 'trap': {
      const isCut = pages < Math.min(limits.memoryPages, plan.memory?.maximumPages ?? limits.memoryPages);
      if (plan.memory !== null && isCut) return;
      const isOfMemory = /memory/.test(end.message) && (plan.memory?.maximumPages ?? Number.POSITIVE_INFINITY) > pages;
      throw refused(
        `traps: ${end.message}`,
        ...(isOfMemory ? [`its memory may grow to ${pages} pages: [limits] memory-pages`] : []),
      );
    }
    case 'gas':
      if (gas < limits.gas) return;
      throw refused(
        `uses more than the ${gas.toLocaleString('en-US')} gas of a call`,
        'give calls more: [limits] gas; or run it once, at the push: snapshot = true',
      );
    case 'internal':
      throw end.cause;
    default:
      return;
  }
}

function subject({ start, initialize }: InstancePlan): string {
  if (initialize === null) return 'its start function';
  return start === null ? 'its _initialize' : 'its start function, or _initialize,';
}

/** What a Process without system calls never asks for. */
function noServices(name: string): Omit<ProcessOptions, 'limits' | 'meter'> {
  const never = (): never => {
    throw new Error('a trial makes no system calls');
  };
  const closed: Resource = { scheme: 'none', read: never, write: never, flush: never, close: () => 0 };
  return {
    identity: { handler: name, deployment: 0, commit: '', invocation: 'trial' },
    args: [],
    env: new Map(),
    stdin: closed,
    stdout: closed,
    stderr: closed,
    policy: null,
    schemes: { find: () => undefined },
    log: { line: () => {} },
    clock: { wallMs: never, monotonicNs: never },
    random: never,
    files: never,
    kv: null,
    queues: null,
  };
}
