/** Types the commands of a page, one after the other, and compares what they print with what the page shows. */
import { expect, vi } from 'vitest';
import { commandsOf, looksLike, type PageShell } from './console.ts';
import type { PageBlock } from './page-blocks.ts';

export interface TypedPage {
  /** Blocks of one page, in its order. */
  readonly blocks: readonly PageBlock[];
  /**
   * Files of the page by name: each is written when the first command names it, in the folder where that command runs.
   */
  readonly files?: ReadonlyMap<string, string>;
  readonly shellOf: (command: string) => PageShell;
  /** What stands for CODE; null: nothing. */
  readonly code?: () => string | null;
  /** Returns how a command is typed here; absent: as it stands there. */
  readonly typed?: (command: string) => string;
  /** Done before a command, which has its number in the page in front: `3 git push`. */
  readonly before?: (command: string) => Promise<unknown>;
}

/** Commands whose answers come a moment after what they tell of. */
const isLate = /^wasmcloud (?:logs|invocations|release)\b/;

/**
 * Fails where a command fails, or prints something else; one whose shown output has `error: ` has to fail. Returns the
 * files.
 */
export async function typePage({ blocks, files = new Map(), ...how }: TypedPage): Promise<ReadonlySet<string>> {
  const written = new Set<string>();
  const page = blocks[0]?.page ?? '';
  for (const [index, { command, expected, line }] of commandsOf(blocks).entries()) {
    await how.before?.(`${index + 1} ${command}`);
    const shell = how.shellOf(command);
    for (const [name, text] of files)
      if (!written.has(name) && command.includes(name)) {
        written.add(name);
        await shell.write(name, text);
      }
    const code = how.code?.() ?? null;
    const typed = (how.typed?.(command) ?? command).replace('CODE', code ?? 'CODE');
    let { status, output } = await shell.run(typed);
    if (isLate.test(command) && expected !== null && !looksLike(output, expected))
      await vi
        .waitFor(
          async () => {
            ({ status, output } = await shell.run(typed));
            expect(looksLike(output, expected)).toBe(true);
          },
          { timeout: 60_000, interval: 200 },
        )
        .catch(() => {});
    const shown = code === null ? output : output.replaceAll(code, 'CODE');
    const where = `${page}, line ${line}: ${command}`;
    if (expected !== null && !looksLike(shown, expected)) expect(`${where}\n${shown}`).toBe(`${where}\n${expected}`);
    const isRefused = /^(?:trisiel: |.*error: )/m.test(expected ?? '');
    if ((status === 0) === isRefused) expect(`${where}\n${shown}`).toBe(`${where}\nexit status, got ${status}`);
  }
  return written;
}
