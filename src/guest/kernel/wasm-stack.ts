/** Reads which functions of a guest were on the stack when an error was made. */

export const stackLimits = {
  /** Functions kept of a stack, the innermost ones. The runner makes V8 keep as many frames. */
  frames: 32,
  /** Characters of a function's name: names of C++ and Rust may have thousands. */
  nameChars: 200,
} as const;

/** V8 writes `at NAME (wasm://wasm/MODULE:wasm-function[INDEX]:0xOFFSET)`, without NAME and parentheses for a nameless one. */
const frame = /^\s+at (?:async )?(?:(.*) \()?(wasm:\/\/wasm\/.*):wasm-function\[(\d+)\]:0x[0-9a-f]+\)?$/;

/**
 * Returns the names of the guest's functions on the stack of `error`, the innermost first: from the name section of the
 * module, else `function INDEX` with the index that the pushed module has. Empty for an error that was made elsewhere.
 * `imported`: functions that the pushed module imports; the rewritten one has one more after them.
 */
export function wasmStack(error: unknown, imported: number): readonly string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return [];
  const names: string[] = [];
  let guest: string | undefined;
  for (const line of error.stack.split('\n')) {
    const match = frame.exec(line);
    if (match === null) continue;
    const [, name, module, index] = match;
    // Frames of other modules are those of the stack that the guest runs on (stacks.ts).
    guest ??= module;
    if (module !== guest) continue;
    const pushed = Number(index) > imported ? Number(index) - 1 : Number(index);
    names.push(name === undefined ? `function ${pushed}` : name.slice(0, stackLimits.nameChars));
    if (names.length === stackLimits.frames) break;
  }
  return names;
}
