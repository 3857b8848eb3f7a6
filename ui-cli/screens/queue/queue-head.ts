/** Makes the lines above a queue's messages. */
import type { MessageState } from '../../../src/protocol/nouns.ts';
import type { QueueView } from '../../../src/protocol/views.ts';
import { formatAgo, formatBytes, formatCount } from '../../text/format.ts';
import { consumersOf, deliveryWord, messageCount, messageWords, recentLine } from '../../text/queue.ts';
import { cells } from '../../text/width.ts';
import { shownStates } from './queue-screen.ts';

/** Returns two lines: what the queue does and holds, and what became of messages lately. */
export function queueHead(queue: QueueView, nowMs: number): readonly string[] {
  const words = {
    paused: 'PAUSED: messages come in and wait; p delivers again',
    'no consumer': 'no consumer yet ([[queue]] in wasmcloud.toml)',
    delivers: `delivers to ${consumersOf(queue)}`,
  } as const;
  const oldest = queue.oldestMs === null ? '' : `   oldest ${formatAgo(queue.oldestMs, nowMs)}`;
  return [`${words[deliveryWord(queue)]}   ${formatBytes(queue.bytes)}${oldest}`, recentLine(queue)];
}

export interface StatePiece {
  readonly text: string;
  readonly open: boolean;
}

/** Returns ` all 24  ready 12 [dead 3] …`, the shown state in brackets; without numbers where they do not fit. */
export function stateBar(queue: QueueView | null, shown: MessageState | null, columns: number): readonly StatePiece[] {
  const bar = (hasCounts: boolean) =>
    shownStates.map((state) => {
      const word = state === null ? 'all' : messageWords[state];
      const text = hasCounts && queue !== null ? `${word} ${formatCount(messageCount(queue, state))}` : word;
      const open = state === shown;
      return { text: open ? `[${text}]` : ` ${text} `, open };
    });
  const counted = bar(true);
  return counted.reduce((sum, { text }) => sum + cells(text), 1) <= columns ? counted : bar(false);
}
