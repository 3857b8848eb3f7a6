/** Reads which functions of a guest were on the stack when an error was made. */

export const stackLimits = {
  /** Functions kept of a stack, the innermost ones. The runner makes V8 keep as many frames. */
  frames: 32,
  /** Characters of a function's name: names of C++ and Rust may have thousands. */
  nameChars: 200,
} as const;

/** V8 writes `at NAME (wasm://wasm/MODULE:wasm-function[INDEX]:0xOFFSET)`, without NAME and parentheses for a nameless one. */
const frame = /^\s+at (?:async )?(?:(.*) \()?(wasm:\/\/wasm\/.*):wasm-function\[(\d+)\]:0x[0-9a-f]+\)?$/;

/** A function of a guest on a stack. */
export interface WasmFrame {
  /** Index that the function has in the pushed module. */
  readonly index: number;
  /** Name from the name section, else `function INDEX`; at most stackLimits.nameChars characters. */
  readonly name: string;
}

/**
 * Returns the names of the guest's functions on the stack of `error`, the innermost first; at most stackLimits.frames.
 * Empty for an error that was made elsewhere. `imported`: functions that the pushed module imports.
 */
export function wasmStack(error: unknown, imported: number): readonly string[] {
  return wasmFrames(error, { imported, framesMax: stackLimits.frames }).map(({ name }) => name);
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
  for (const line of error.stack.split('\n')) {
    const match = frame.exec(line);
    if (match === null) continue;
    const [, name, module, position] = match;
    // Frames of other modules are those of the stack that the guest runs on (stacks.ts).
    guest ??= module;
    if (module !== guest) continue;
    const index = Number(position) > imported ? Number(position) - 1 : Number(position);
    frames.push({ index, name: name === undefined ? `function ${index}` : name.slice(0, stackLimits.nameChars) });
    if (frames.length === framesMax) break;
  }
  return frames;
}
