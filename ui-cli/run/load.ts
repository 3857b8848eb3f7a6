/** Loads and vets a file. It is refused for the same reasons, and in the same words, as at a push. */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { vetProgram } from '../../src/guest/component/vet-program.ts';
import { compileH, sourceCharsMax } from '../../src/guest/hlang/compile.ts';
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import type { SnapshotOptions } from '../../src/guest/snapshot/take-snapshot.ts';
import type { SourceLines } from '../../src/guest/wasm/lines/rows.ts';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';
import { MIB, pushLimits } from '../../src/protocol/limits.ts';
import type { InstancePlan } from '../../src/protocol/module.ts';
import { formatBytes } from '../text/format.ts';
import { visible } from '../text/visible.ts';
import { linesOf } from './source-map.ts';

export interface LoadedModule {
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
}

/**
 * Reads, vets and compiles a file; with `startUp` takes its snapshot. Throws PlatformError: not_found, module_*,
 * imports_unknown, entry_missing, snapshot_failed.
 */
export async function loadModule(file: string, startUp: StartUpOptions | null = null): Promise<LoadedModule> {
  const program = await readProgram(file);
  const lines = await linesOf(program, file);
  const { module, bytes } =
    startUp === null ? vetFile(program, file, lines) : await snapshotOf(program, file, { ...startUp, lines });
  return { module: await compile(bytes, file), plan: module.plan };
}

/** Inputs of the start-up for `run --snapshot`, and the receiver of its report. */
export interface StartUpOptions extends Pick<SnapshotOptions, 'env' | 'files' | 'policy' | 'memoryPages' | 'signal'> {
  readonly tell: (line: string) => void;
}

async function snapshotOf(
  program: Uint8Array,
  file: string,
  { tell, ...options }: StartUpOptions & { readonly lines: SourceLines | null },
) {
  const { takeSnapshot } = await import('../../src/guest/snapshot/take-snapshot.ts');
  const imports = { provided: providedFunctions, ...providedInterfaces };
  const taken = await takeSnapshot(program, { name: file, ...imports, ...options });
  const { snapshot } = taken.module;
  const { output, outputDropped, frozen, hasReadEnvironment } = taken.report;
  for (const line of output) tell(`| ${visible(line)}`);
  if (outputDropped > 0) tell(`| and ${outputDropped} more`);
  tell(`snapshot: ${snapshot.savedMs.toFixed(1)} ms of start-up saved per call, ${formatBytes(snapshot.bytes)}`);
  if (frozen.length > 0)
    tell(`warning: the start-up calls ${frozen.join(', ')}: every call will see the same random numbers and times`);
  if (hasReadEnvironment)
    tell(
      'warning: the start-up reads variables or arguments: if it keeps them, calls do not see those of their request',
    );
  return taken;
}

/**
 * Vets and rewrites a program as a push does; `lines`: its source lines. Throws PlatformError: module_*,
 * imports_unknown, entry_missing.
 */
export function vetFile(
  program: Uint8Array,
  file: string,
  lines: SourceLines | null = null,
): ReturnType<typeof vetProgram> {
  return vetProgram(program, { name: file, provided: providedFunctions, ...providedInterfaces, lines });
}

/** Returns the WebAssembly of a file; text and h are compiled. Throws `not_found`, `module_*`. */
export async function readProgram(file: string): Promise<Uint8Array> {
  const bytes = await read(file);
  if (file.endsWith('.h')) return compileH(new TextDecoder().decode(bytes.subarray(0, sourceCharsMax * 4)));
  if (file.endsWith('.wat')) return assembleText(file, bytes);
  return bytes;
}

async function read(file: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(file);
    if (bytes.length > pushLimits.moduleBytes)
      throw new PlatformError('module_too_large', `${file} is larger than ${pushLimits.moduleBytes / MIB} MiB`);
    return bytes;
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    const { code } = error as { code?: unknown }; // only read
    throw new PlatformError(
      'not_found',
      code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function assembleText(file: string, text: Uint8Array): Promise<Uint8Array> {
  const { default: wabt } = await import('wabt').catch((cause: unknown) => {
    throw new PlatformError('module_unsupported', 'the text format needs the package wabt, which is not installed', {
      hints: ['npm install wabt, or run a .wasm'],
      cause,
    });
  });
  const features = { bulk_memory: true, simd: true, sign_extension: true, mutable_globals: true, tail_call: true };
  const { parseWat } = await wabt();
  try {
    const module = parseWat(basename(file), text, { ...features, multi_value: true, reference_types: true });
    // Keeps debug names, so that a trap names the function in which it happened.
    return module.toBinary({ write_debug_names: true }).buffer;
  } catch (error) {
    throw new PlatformError('module_invalid', `${file} is no WebAssembly text: ${messageOf(error).trim()}`);
  }
}

async function compile(bytes: Uint8Array, file: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>); // no SharedArrayBuffer: from a file
  } catch (error) {
    throw new PlatformError('module_invalid', `${file} does not compile: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
