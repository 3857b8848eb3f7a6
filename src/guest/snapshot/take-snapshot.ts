/**
 * Takes the snapshot of a program: runs its start-up once and writes an ordinary module that begins in the state at the
 * end of the start-up. The vet child does it at the push and `wasmcloud run --snapshot` before the run, with the same
 * refusals.
 */
import { createHash } from 'node:crypto';
import { PlatformError } from '../../protocol/errors.ts';
import { defaultLimits, PAGE_BYTES } from '../../protocol/limits.ts';
import {
  type RewrittenModule,
  SNAPSHOT_VERSION,
  type SnapshotFacts,
  type StartUpReport,
} from '../../protocol/module.ts';
import type { Policy } from '../../protocol/nouns.ts';
import { isComponent } from '../component/recognise.ts';
import { type VetProgramOptions, vetProgram } from '../component/vet-program.ts';
import { Errno } from '../kernel/errno.ts';
import type { FileSystem } from '../kernel/fs/file-system.ts';
import type { GuestInstance } from '../kernel/instance.ts';
import { type LocalRunResult, runLocally } from '../kernel/local-run.ts';
import type { Process } from '../kernel/process.ts';
import type { Resource } from '../kernel/resource.ts';
import type { Module } from '../wasm/format/model.ts';
import { readModule } from '../wasm/format/read-module.ts';
import { freeze } from '../wasm/snapshot/freeze.ts';
import { makeProbe, type StartUpProbe } from '../wasm/snapshot/probe.ts';
import { type StartUp, startUpOf } from '../wasm/snapshot/start-up.ts';
import { frozenCalls } from './frozen-calls.ts';
import { type StartUpLimits, startUpLimits } from './limits.ts';
import { readState } from './read-state.ts';
import { componentRefused, endRefused, leftRefused, noStartUp, tooLarge } from './refusals.ts';
import { StartUpOutput } from './start-up-output.ts';
import { startUpSchemes } from './start-up-schemes.ts';
import { whatIsLeft } from './what-is-left.ts';

export interface SnapshotOptions extends Omit<VetProgramOptions, 'profile' | 'costs' | 'keepsExports'> {
  readonly name: string;
  /** Variables of the manifest. A start-up has no variables of a request. */
  readonly env: ReadonlyMap<string, string>;
  readonly files: () => FileSystem;
  readonly policy: Policy | null;
  /** Pages that calls of the program may have; the start-up may have no more of them. */
  readonly memoryPages: number;
  /** Limits that differ from startUpLimits. */
  readonly limits?: Partial<StartUpLimits>;
  /** Ends the start-up when aborted. */
  readonly signal?: AbortSignal;
}

export interface Snapshot {
  /** The module with its memory image, before rewriting. */
  readonly frozen: Uint8Array;
  /** The rewritten module. */
  readonly bytes: Uint8Array;
  readonly module: RewrittenModule & { readonly snapshot: SnapshotFacts };
  readonly report: StartUpReport;
}

/**
 * Returns the snapshot of `program`, vetted and rewritten. Throws the PlatformErrors of vetProgram, and
 * `snapshot_failed` if the start-up cannot be run, does not return, or leaves state that a snapshot cannot hold.
 */
export async function takeSnapshot(program: Uint8Array, options: SnapshotOptions): Promise<Snapshot> {
  const { name } = options;
  const limits = { ...startUpLimits, ...options.limits };
  if (isComponent(program)) throw componentRefused(name);
  // Checks the program as pushed first, so that an error describes that program and not its probe.
  const original = vetProgram(program, options);
  const module = readModule(program, name);
  const startUp = startUpOf(module);
  if (typeof startUp === 'string') throw noStartUp(name, startUp);
  const probe = makeProbe(module, startUp);
  const run = await runStartUp(probe, options, limits, {
    startUp,
    module,
    canChangeTables: original.module.plan.mutates.table || original.module.plan.mutates.segments,
  });
  const frozenBytes = freeze(module, run.state);
  if (frozenBytes.length > limits.imageBytes) throw tooLarge(name, frozenBytes.length, limits.imageBytes);
  const frozen = vetProgram(Uint8Array.from(frozenBytes), options);
  return {
    frozen: frozenBytes,
    bytes: frozen.bytes,
    module: {
      ...frozen.module,
      sha256: original.module.sha256,
      originalBytes: original.module.originalBytes,
      snapshot: {
        version: SNAPSHOT_VERSION,
        sha256: createHash('sha256').update(frozenBytes).digest('hex'),
        startUp: startUp.names,
        bytes: frozenBytes.length,
        memoryPages: (run.state.memory?.length ?? 0) / PAGE_BYTES,
        gas: run.result.usage.gas,
        savedMs: run.runMs,
      },
    },
    report: run.report,
  };
}

/** Standard input of a start-up, which is empty: there is no request. */
const emptyInput: Resource = {
  scheme: 'stdin',
  read: () => Errno.end,
  write: () => Errno.badDescriptor,
  flush: () => 0,
  close: () => 0,
};

interface RunFacts {
  readonly startUp: StartUp;
  readonly module: Module;
  readonly canChangeTables: boolean;
}

async function runStartUp(
  probe: StartUpProbe,
  options: SnapshotOptions,
  limits: StartUpLimits,
  { startUp, module, canChangeTables }: RunFacts,
) {
  const { name } = options;
  const rewritten = vetProgram(probe.bytes, { ...options, lines: null, keepsExports: true });
  const output = new StartUpOutput(limits);
  const refused: { url: string | null } = { url: null };
  const opened = new Set<string>();
  let state: ReturnType<typeof readState> | null = null;
  let left: readonly string[] = [];
  let before: ReadonlySet<unknown> = new Set();
  let hasReturned = false;
  const { plan } = rewritten.module;
  const pages = Math.min(limits.memoryPages, options.memoryPages);
  let startMs = 0;
  let runMs = 0;
  const result: LocalRunResult = await runLocally({
    module: await WebAssembly.compile(Uint8Array.from(rewritten.bytes)),
    // Runs the probe's function, which calls the start-up; the entry point is not called.
    plan: { ...plan, initialize: null, entry: { name: probe.run, returnsStatus: false } },
    limits: { ...defaultLimits, memoryPages: pages, gas: limits.gas, timeoutMs: limits.timeoutMs },
    policy: options.policy,
    // Traps at an access beyond memory.size: the image does not hold those bytes.
    exactMemory: true,
    args: [name],
    env: options.env,
    stdin: emptyInput,
    stdout: output.stream('stdout'),
    stderr: output.stream('stderr'),
    schemes: startUpSchemes({
      opened: (scheme) => opened.add(scheme),
      refused: (url) => {
        refused.url ??= url;
      },
    }),
    log: { line: ({ text }) => output.line(text) },
    files: options.files,
    kv: null,
    queues: null,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    started: (guest) => {
      before = new Set(guest.descriptors.list());
      startMs = performance.now();
    },
    ended: (guest: Process, instance: GuestInstance) => {
      runMs = performance.now() - startMs;
      if (guest.end?.kind !== 'exit' || !instance.isInstantiated) return;
      const done = instance.exports[probe.done];
      hasReturned = done instanceof WebAssembly.Global && done.value === 1;
      if (!hasReturned) return;
      left = whatIsLeft(guest, before);
      if (left.length === 0) state = readState(instance, { module, probe, canChangeTables, limits, name });
    },
  });
  output.finish();
  const report: StartUpReport = {
    output: output.lines,
    outputDropped: output.dropped,
    ...frozenCalls(result.usage, opened),
  };
  const context = { name, startUp, report };
  if (!hasReturned) throw endRefused(result.end, { ...context, refusedUrl: refused.url, limits, pages });
  if (left.length > 0) throw leftRefused(left, context);
  if (state === null) throw new PlatformError('internal', `the state of ${name} could not be read`);
  return { result, report, state: state as ReturnType<typeof readState>, runMs };
}
