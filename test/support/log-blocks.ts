import type { LogBlock } from '../../src/protocol/log-block.ts';
import { packedLineAt, unpackBlock } from '../../src/protocol/log-block-reader.ts';
import type { PendingLogLine } from '../../src/protocol/nouns.ts';

/** Returns the lines that a runner has packed, in order. */
export function linesOfBlocks(blocks: readonly LogBlock[]): PendingLogLine[] {
  return blocks.flatMap(({ handlerId, lines, data }) => {
    const block = unpackBlock(data, lines);
    return Array.from({ length: lines }, (_, index) => ({ ...packedLineAt(block, index), handlerId }));
  });
}
