/** Queues and their messages as lines and cells. */
import { type MessageState, messageStates, queueEvents } from '../../src/protocol/nouns.ts';
import type { QueueMessageView, QueueView } from '../../src/protocol/views.ts';
import { formatAgo, formatBytes, formatCount, formatDate, formatIn } from './format.ts';
import { hexLines } from './hex.ts';
import { facts, table } from './table.ts';
import { visible, visibleLines } from './visible.ts';

/** Minutes that `recent` of a queue covers. */
const recentMinutes = 5;
/** Characters of a body that a row of a list shows at most. */
const rowChars = 500;

/** Names of the states for people. */
export const messageWords: Readonly<Record<MessageState, string>> = {
  ready: 'ready',
  inflight: 'in flight',
  dead: 'dead',
  done: 'done',
};

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
      consumersOf(queue),
    ]),
  );
}

/** Returns the lines of one queue: its row, and what became of messages lately. `nowMs` in Unix milliseconds. */
export function queueLines(queue: QueueView, nowMs: number): string[] {
  return [...queueTable([queue], nowMs), recentLine(queue)];
}

/** Returns what became of messages in the last five minutes: `in the last 5 minutes: 12 published, …`. */
export function recentLine({ recent }: Pick<QueueView, 'recent'>): string {
  return `in the last ${recentMinutes} minutes: ${queueEvents.map((event) => `${recent[event]} ${event}`).join(', ')}`;
}

/** Returns whether messages go out, and if not, why: `delivers`, `paused`, `no consumer`. */
export function deliveryWord({
  isPaused,
  consumers,
}: Pick<QueueView, 'isPaused' | 'consumers'>): 'paused' | 'no consumer' | 'delivers' {
  if (isPaused) return 'paused';
  return consumers.length === 0 ? 'no consumer' : 'delivers';
}

export function consumersOf({ consumers }: Pick<QueueView, 'consumers'>): string {
  return consumers.length === 0 ? 'none' : consumers.join(', ');
}

/** Returns the cells QUEUE, STATE, READY, IN FLIGHT, DEAD, OLDEST, IN/MIN, OUT/MIN, DONE, SIZE, CONSUMERS. */
export function queueCells(queue: QueueView, nowMs: number): string[] {
  const { messages, recent } = queue;
  return [
    visible(queue.name),
    deliveryWord(queue),
    formatCount(messages.ready),
    formatCount(messages.inflight),
    formatCount(messages.dead),
    queue.oldestMs === null ? '-' : formatAgo(queue.oldestMs, nowMs),
    perMinute(recent.published),
    perMinute(recent.acknowledged),
    formatCount(messages.done),
    formatBytes(queue.bytes),
    consumersOf(queue),
  ];
}

function perMinute(count: number): string {
  return formatCount(count / recentMinutes);
}

/** Returns the number of messages of a queue in a state; `state` null: in any. */
export function messageCount({ messages }: Pick<QueueView, 'messages'>, state: MessageState | null): number {
  return state === null ? messageStates.reduce((sum, each) => sum + messages[each], 0) : messages[state];
}

/**
 * Returns rows with the columns `position  state  time  attempts  size  text`; a message that is not UTF-8 is shown in
 * base64.
 */
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

/** Returns the cells POSITION, STATE, PUBLISHED, TRIES, SIZE, REASON, MESSAGE: the beginnings of long texts. */
export function messageCells(message: QueueMessageView, nowMs: number): string[] {
  const { text, base64, reason } = message;
  return [
    String(message.position),
    messageWords[message.state],
    formatAgo(message.publishedMs, nowMs),
    String(message.attempts),
    formatBytes(message.bytes),
    reason === null || message.state === 'done' ? '' : visible(reason.slice(0, rowChars)),
    text === null ? `(binary) ${visible((base64 ?? '').slice(0, rowChars))}` : visible(text.slice(0, rowChars)),
  ];
}

/** Returns the lines about one message, without its body. */
export function messageFacts(message: QueueMessageView, nowMs: number): string[] {
  const { dueMs, endedMs, reason, group, contentType, invocation } = message;
  const time = (ms: number) => `${formatDate(ms)}, ${formatAgo(ms, nowMs)}`;
  const waits = dueMs !== null && dueMs > nowMs && message.state === 'ready';
  return facts([
    ['id', message.id],
    ['state', messageWords[message.state]],
    ['published', time(message.publishedMs)],
    ['attempts', String(message.attempts)],
    ...(waits ? [['next attempt', `${formatDate(dueMs)}, ${formatIn(dueMs, nowMs)}`] as const] : []),
    ...(endedMs === null ? [] : [['ended', time(endedMs)] as const]),
    ...(reason === null ? [] : [['reason', visible(reason)] as const]),
    ...(invocation === null ? [] : [['invocation', invocation] as const]),
    ...(group === null ? [] : [['group', visible(group)] as const]),
    ['type', contentType === null ? 'none was said' : visible(contentType)],
    ['size', formatBytes(message.bytes)],
  ]);
}

/** Returns the body as lines: text with its control characters made visible, or `asHex` as a dump of its bytes. */
export function messageBody({ text, base64 }: QueueMessageView, asHex: boolean): string[] {
  if (text !== null && !asHex) return text === '' ? ['(empty)'] : visibleLines(text);
  return hexLines(text === null ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text));
}
