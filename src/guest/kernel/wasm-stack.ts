/** Reads which functions of a guest were on the stack when an error was made. */
import { LineTable } from '../wasm/lines/line-table.ts';
import { readableName } from './rust-names.ts';

export const stackLimits = {
  /** Functions kept of a stack, the innermost ones. The runner makes V8 keep as many frames. */
  frames: 32,
  /** Characters of a function's name: names of C++ and Rust may have thousands. */
  nameChars: 200,
} as const;

/**
 * V8 writes `at NAME (wasm://wasm/MODULE:wasm-function[INDEX]:0xOFFSET)`, without NAME and parentheses for a nameless
 * one. The name is the module's own, and may have several lines.
 */
const frame = /^\s+at (?:async )?(?:(.*) \()?(wasm:\/\/wasm\/.*):wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/s;
const frameStart = /\n(?=\s+at )/;

/** A function of a guest on a stack. */
export interface WasmFrame {
  /** Index that the function has in the pushed module. */
  readonly index: number;
  /** Name from the name section, else `function INDEX`. */
  readonly name: string;
  /** Offset of the instruction in the rewritten module, in bytes. */
  readonly offset: number;
}

/**
 * Returns the names of the guest's functions on the stack of `error`, the innermost first; at most stackLimits.frames,
 * each with `(FILE:LINE)` where the module tells it. Empty for an error that was made elsewhere. `module` is the
 * rewritten module; `imported`, `functions`: functions that the pushed one imports and has, imported ones included
 * (absent: as many as there are): those behind are the meter's, and left out.
 */
export function wasmStack(
  error: unknown,
  {
    module,
    imported,
    functions = Number.POSITIVE_INFINITY,
  }: { readonly module: WebAssembly.Module; readonly imported: number; readonly functions?: number | undefined },
): readonly string[] {
  const frames = wasmFrames(error, { imported, framesMax: stackLimits.frames });
  return frames.flatMap(({ index, name, offset }) => {
    if (index >= functions) return [];
    const line = tableOf(module)?.lineAt(offset) ?? null;
    return [line === null ? shownName(name) : `${shownName(name)} (${line})`];
  });
}

/** Returns the name of the innermost function of WebAssembly on the stack of `error`; null if it has no name. */
export function innermostName(error: Error): string | null {
  for (const line of (error.stack ?? '').split(frameStart)) {
    const match = frame.exec(line);
    if (match !== null) return match[1] ? shownName(match[1]) : null;
  }
  return null;
}

/** Tables of modules that have failed, for as long as these live: reading one out of a module copies it. */
const tables = new WeakMap<WebAssembly.Module, LineTable | null>();

function tableOf(module: WebAssembly.Module): LineTable | null {
  let table = tables.get(module);
  if (table === undefined) {
    table = LineTable.of(module);
    tables.set(module, table);
  }
  return table;
}

/**
 * Returns the guest's functions on the stack of `error`, the innermost first; empty for an error that was made
 * elsewhere. `imported`: functions that the pushed module imports; the rewritten one has one more after them.
 */
export function wasmFrames(
  error: unknown,
  { imported, framesMax }: { readonly imported: number; readonly framesMax: number },
): readonly WasmFrame[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return [];
  const frames: WasmFrame[] = [];
  let guest: string | undefined;
  for (const line of error.stack.split(frameStart)) {
    const match = frame.exec(line);
    if (match === null) continue;
    const [, name, module, position, offset] = match;
    // Frames of other modules are those of the stack that the guest runs on (stacks.ts).
    guest ??= module;
    if (module !== guest) continue;
    const index = Number(position) > imported ? Number(position) - 1 : Number(position);
    frames.push({ index, name: name || `function ${index}`, offset: Number.parseInt(offset ?? '', 16) });
    if (frames.length === framesMax) break;
  }
  return frames;
}

/** Returns the name of a frame for people: a path for one of Rust; at most stackLimits.nameChars characters. */
export function shownName(name: string): string {
  return readableName(name).slice(0, stackLimits.nameChars);
}
