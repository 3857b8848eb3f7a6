/** Queues and their messages as lines. */
import type { QueueMessageView, QueueView } from '../client/views.ts';
import { formatAgo, formatBytes } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function queueTable(queues: readonly QueueView[], nowMs: number): string[] {
  return table(
    [{ title: 'QUEUE' }, { title: 'MESSAGES', align: 'right' }, { title: 'SIZE', align: 'right' }, { title: 'OLDEST' }],
    queues.map((queue) => [
      visible(queue.name),
      String(queue.messages),
      formatBytes(queue.bytes),
      formatAgo(queue.oldestMs, nowMs),
    ]),
  );
}

/** `position  time  size  text`; a message that is not UTF-8 is shown in base64. */
export function messageTable(messages: readonly QueueMessageView[]): string[] {
  return table(
    [
      { title: 'POSITION', align: 'right' },
      { title: 'PUBLISHED' },
      { title: 'SIZE', align: 'right' },
      { title: 'MESSAGE' },
    ],
    messages.map((message) => [
      String(message.position),
      new Date(message.publishedMs).toISOString(),
      formatBytes(message.bytes),
      message.text === null ? `base64:${visible(message.base64 ?? '')}` : visible(message.text),
    ]),
  );
}
