/** Checks blocks of log lines where they come from a runner, which runs hostile guests. */
import { blockLimits, blockStreams, columnBytesMax, type LogBlock } from './log-block.ts';
import { columnBytesOf, hasValidHead } from './log-block-reader.ts';
import type { DroppedLines } from './messages.ts';

/** Characters of a handler's id, at most. */
const idCharsMax = 100;

/**
 * Returns those of `given` that readers can be expected to unpack, and `dropped` with the lines of the others added.
 * Counts that are none are left out. So a bad block or count of a runner never breaks the batch of others. Only facts
 * and heads are looked at; `given` may hold any values.
 */
export function plausibleBlocks(
  given: readonly LogBlock[],
  dropped: DroppedLines,
): { readonly blocks: readonly LogBlock[]; readonly dropped: DroppedLines } {
  const blocks: LogBlock[] = [];
  const lost = new Map(Object.entries(dropped).filter(([, count]) => isCount(count)));
  for (const block of given) {
    const plausible = plausibleBlock(block);
    if (plausible !== null) {
      blocks.push(plausible);
      continue;
    }
    const claimed: unknown = (block as LogBlock | null | undefined)?.handlerId;
    const id = isId(claimed) ? claimed : 'unknown';
    lost.set(id, (lost.get(id) ?? 0) + claimedLines(block));
  }
  return { blocks, dropped: Object.fromEntries(lost) };
}

/** Returns whether `count` is a number of lines. */
export function isCount(count: unknown): count is number {
  return Number.isSafeInteger(count) && Number(count) > 0;
}

/**
 * Returns the block, or null. Readers choose by the facts how much they unpack at once, so the columns may have no more
 * bytes than the facts explain.
 */
function plausibleBlock(block: LogBlock | null | undefined): LogBlock | null {
  if (typeof block !== 'object' || block === null) return null;
  const { handlerId, lines, firstMs, lastMs, levels, streams, textChars, words, data } = block;
  const isWhole = (value: unknown, most: number) =>
    Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;
  const isValid =
    isId(handlerId) &&
    isWhole(lines, blockLimits.lines) &&
    lines > 0 &&
    isWhole(firstMs, Number.MAX_SAFE_INTEGER) &&
    isWhole(lastMs, Number.MAX_SAFE_INTEGER) &&
    isWhole(levels, 2 ** 16 - 1) &&
    isWhole(streams, 2 ** blockStreams.length - 1) &&
    isWhole(textChars, blockLimits.textChars + blockLimits.lineChars) &&
    words instanceof Uint8Array &&
    words.length <= blockLimits.wordsBytes &&
    data instanceof Uint8Array &&
    hasValidHead(data) &&
    columnBytesOf(data) <= columnBytesMax(block);
  return isValid ? block : null;
}

function isId(id: unknown): id is string {
  return typeof id === 'string' && id.length <= idCharsMax;
}

/** Returns how many lines a block says that it has, for one that is lost; at least 1. `block` is any value. */
function claimedLines(block: Pick<LogBlock, 'lines'> | null | undefined): number {
  const lines: unknown = block?.lines;
  return isCount(lines) && lines <= blockLimits.lines ? lines : 1;
}
