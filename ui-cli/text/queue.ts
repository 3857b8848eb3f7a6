/** Queues and their messages as lines. */
import { messageStates, queueEvents } from '../../src/protocol/nouns.ts';
import type { QueueMessageView, QueueView } from '../client/views.ts';
import { formatAgo, formatBytes } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function queueTable(queues: readonly QueueView[], nowMs: number): string[] {
  return table(
    [
      { title: 'QUEUE' },
      ...messageStates.map((state) => ({ title: state.toUpperCase(), align: 'right' as const })),
      { title: 'SIZE', align: 'right' },
      { title: 'OLDEST' },
      { title: 'CONSUMERS' },
    ],
    queues.map((queue) => [
      `${visible(queue.name)}${queue.isPaused ? ' (paused)' : ''}`,
      ...messageStates.map((state) => String(queue.messages[state])),
      formatBytes(queue.bytes),
      queue.oldestMs === null ? '-' : formatAgo(queue.oldestMs, nowMs),
      queue.consumers.length === 0 ? 'none' : queue.consumers.join(', '),
    ]),
  );
}

/** One queue in full: its row, and what became of messages lately. */
export function queueLines(queue: QueueView, nowMs: number): string[] {
  const recent = queueEvents.map((event) => `${queue.recent[event]} ${event}`).join(', ');
  return [...queueTable([queue], nowMs), `in the last 5 minutes: ${recent}`];
}

/** `position  state  time  attempts  size  text`; a message that is not UTF-8 is shown in base64. */
export function messageTable(messages: readonly QueueMessageView[]): string[] {
  return table(
    [
      { title: 'POSITION', align: 'right' },
      { title: 'STATE' },
      { title: 'PUBLISHED' },
      { title: 'ATTEMPTS', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'MESSAGE' },
    ],
    messages.map((message) => [
      String(message.position),
      message.state,
      new Date(message.publishedMs).toISOString(),
      String(message.attempts),
      formatBytes(message.bytes),
      `${message.text === null ? `base64:${visible(message.base64 ?? '')}` : visible(message.text)}${reasonOf(message)}`,
    ]),
  );
}

function reasonOf({ reason, state }: QueueMessageView): string {
  return reason === null || state === 'done' ? '' : `  (${visible(reason)})`;
}
