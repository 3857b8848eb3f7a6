/** Runs a guest and captures all of its effects, for the conformance programs of every ABI. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';
import { vetProgram } from '../../src/guest/component/vet-program.ts';
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { Errno } from '../../src/guest/kernel/errno.ts';
import { makeFileSystem } from '../../src/guest/kernel/fs/file-system.ts';
import {
  type LocalRunOptions,
  type LocalRunResult,
  runLocally,
  systemClock,
} from '../../src/guest/kernel/local-run.ts';
import type { Resource } from '../../src/guest/kernel/resource.ts';
import { localSchemes } from '../../src/guest/kernel/resources/all.ts';
import type { SyscallValue } from '../../src/guest/kernel/syscall.ts';
import { defaultLimits, type Limits } from '../../src/protocol/limits.ts';
import type { RewrittenModule } from '../../src/protocol/module.ts';
import './held-thread.ts';

export interface GuestOptions extends Partial<Omit<LocalRunOptions, 'limits' | 'module' | 'plan' | 'stdin' | 'env'>> {
  readonly stdin?: string | Uint8Array | Resource;
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: Partial<Limits>;
}

export interface TracedCall {
  readonly name: string;
  readonly args: readonly SyscallValue[];
  readonly result: SyscallValue | Error;
}

export interface GuestRun extends LocalRunResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly logs: readonly { readonly level: number; readonly stream: string; readonly text: string }[];
  readonly trace: readonly TracedCall[];
  /** Memory of the guest at its end. */
  readonly memory: Uint8Array;
}

const wabtModule = await wabt();

/** Returns the bytes of a module in text format. */
export function assemble(wat: string): Uint8Array {
  const module = wabtModule.parseWat('guest.wat', wat, { bulk_memory: true, sign_extension: true, multi_value: true });
  try {
    return module.toBinary({ write_debug_names: true }).buffer;
  } finally {
    module.destroy();
  }
}

/** Reads a committed guest: `cwa/hello`. */
export function fixture(name: string): Uint8Array {
  return readFileSync(join(import.meta.dirname, '../../fixtures/guests', `${name}.wasm`));
}

export async function runGuest(source: string | Uint8Array, options: GuestOptions = {}): Promise<GuestRun> {
  const vetted = vetProgram(typeof source === 'string' ? assemble(source) : source, {
    provided: providedFunctions,
    ...providedInterfaces,
  });
  return runVetted(vetted, options);
}

/** Runs a module that has been rewritten. */
export async function runVetted(
  vetted: { readonly bytes: Uint8Array; readonly module: Pick<RewrittenModule, 'plan'> },
  options: GuestOptions = {},
): Promise<GuestRun> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const logs: GuestRun['logs'][number][] = [];
  const trace: TracedCall[] = [];
  const { stdin, env, limits, ...rest } = options;
  const result = await runLocally({
    module: await WebAssembly.compile(vetted.bytes as Uint8Array<ArrayBuffer>),
    plan: vetted.module.plan,
    limits: { ...defaultLimits, timeoutMs: 10_000, ...limits },
    policy: null,
    args: ['guest'],
    env: new Map(Object.entries(env ?? {})),
    stdin: isResource(stdin) ? stdin : bytesSource(stdin ?? ''),
    stdout: sink('stdout', stdout),
    stderr: sink('stderr', stderr),
    schemes: localSchemes,
    log: { line: ({ level, stream, text }) => void logs.push({ level, stream, text }) },
    tracer: {
      call: () => undefined,
      done: (_process, { name }, args, result_) => void trace.push({ name, args: [...args], result: result_ }),
    },
    files: () => makeFileSystem({ lower: null, nowNs: () => BigInt(systemClock.wallMs()) * 1_000_000n }),
    kv: null,
    queues: null,
    ...rest,
  });
  return {
    ...result,
    stdout: Buffer.concat(stdout),
    stderr: Buffer.concat(stderr),
    logs,
    trace,
    memory: result.guest.memory.all.slice(),
  };
}

/** Makes a stream that gives `content` and then ends. */
export function bytesSource(content: string | Uint8Array): Resource {
  let rest = typeof content === 'string' ? Buffer.from(content) : content;
  return {
    scheme: 'stdin',
    read: (into) => {
      if (into.length === 0) return 0;
      if (rest.length === 0) return Errno.end;
      const part = rest.subarray(0, into.length);
      into.set(part);
      rest = rest.subarray(part.length);
      return part.length;
    },
    write: () => Errno.notSupported,
    flush: () => 0,
    close: () => 0,
  };
}

export function sink(scheme: string, chunks: Uint8Array[]): Resource {
  return {
    scheme,
    read: () => Errno.notSupported,
    write: (bytes) => {
      chunks.push(bytes.slice());
      return bytes.length;
    },
    flush: () => 0,
    close: () => 0,
  };
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

function isResource(value: unknown): value is Resource {
  return typeof value === 'object' && value !== null && 'scheme' in value;
}
