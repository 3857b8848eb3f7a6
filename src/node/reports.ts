/**
 * Sends log lines and usage of the runners to the stream of the bus: one message at a time, in order, each until NATS
 * has stored it. While NATS cannot be reached nothing is confirmed, so the runners keep what they have, as far as their
 * buffers reach, and count what they drop.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '../bus/bus.ts';
import { encodeMessage } from '../bus/codec.ts';
import { subjects } from '../bus/limits.ts';
import { kinds } from '../bus/messages.ts';
import type { LogBlock } from '../protocol/log-block.ts';
import type { DroppedLines, UsageCount } from '../protocol/messages.ts';
import type { ReportItem } from '../protocol/node-report.ts';
import type { PendingInvocationRecord } from '../protocol/nouns.ts';
import { plausibleBlocks } from '../protocol/plausible-blocks.ts';
import type { LogAppendResult, LogBatchId } from '../protocol/ports.ts';
import { nodeLimits } from './limits.ts';

export interface ReportsOptions {
  readonly bus: Pick<Bus, 'isConnected' | 'messageBytes' | 'store'>;
  readonly nodeId: string;
  /** Id drawn at each start of the node. */
  readonly bootId: string;
  readonly report: (message: string, error: unknown) => void;
}

interface Waiting {
  readonly item: ReportItem;
  readonly bytes: number;
  readonly done: (isStored: boolean) => void;
}

/** Bytes counted for an item besides those of its blocks, and for a record or count. */
const itemBytes = 512;
const recordBytes = 1_024;
/** Part of the greatest message that blocks may fill; the head of the message needs the rest. */
const share = 0.9;

export class Reports {
  readonly #options: ReportsOptions;
  #waiting: Waiting[] = [];
  #sending: Promise<void> | null = null;
  /** Numbers of the last item of this node's own, of the last one with usage, and of the last message. */
  #lastOwn = 0;
  #lastUsage = 0;
  #lastMessage = 0;
  #isClosing = false;
  #isClosed = false;
  #hasReported = false;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Stores lines, as LogSink.appendBlocks does. A batch without id gets one of this node. Blocks are looked at here: a
   * control refuses a message with one that it cannot read, and what came with it.
   */
  async logs(blocks: readonly LogBlock[], dropped: DroppedLines = {}, id?: LogBatchId): Promise<LogAppendResult> {
    const { nodeId, bootId } = this.#options;
    this.#lastOwn += 1;
    const { origin, number } = id ?? { origin: `${nodeId}/${bootId}`, number: this.#lastOwn };
    const plausible = plausibleBlocks(blocks, dropped);
    const { parts, lost } = this.#parts(plausible.blocks);
    const all = { ...plausible.dropped };
    for (const { handlerId, lines } of lost) all[handlerId] = (all[handlerId] ?? 0) + lines;
    // Each part of a batch has a sender of its own: numbers of one sender are given once.
    const results = await Promise.all(
      parts.map((part, index) =>
        this.#send({
          ...{ kind: 'logs', number, blocks: part, dropped: index === 0 ? all : {} },
          origin: index === 0 ? origin : `${origin}/${index}`,
        }),
      ),
    );
    return results.every((isStored) => isStored) ? 'stored' : 'lost';
  }

  /**
   * Stores usage; resolves when NATS has it, or when there is no room for it. Leaves out records and counts that name
   * no Deployment: a control refuses a message with one.
   */
  async usage(records: readonly PendingInvocationRecord[], counts: readonly UsageCount[]): Promise<void> {
    const { nodeId, bootId } = this.#options;
    this.#lastUsage += 1;
    await this.#send({
      ...{ kind: 'usage', origin: `${nodeId}/${bootId}`, number: this.#lastUsage },
      records: records.filter((record) => isPlaced(record) && typeof record.id === 'string'),
      counts: counts.filter(isPlaced),
    });
  }

  /** Sends what waits, for at most `ms` milliseconds; then nothing more is sent or taken. */
  async close(ms: number): Promise<void> {
    this.#isClosing = true;
    const endMs = performance.now() + ms;
    while (this.#sending !== null && performance.now() < endMs) await Promise.race([this.#sending, delay(50)]);
    this.#isClosed = true;
    for (const { done } of this.#waiting.splice(0)) done(false);
  }

  /** Divides blocks so that each part fits into a message. `lost`: blocks that fit into none. */
  #parts(blocks: readonly LogBlock[]): { readonly parts: readonly LogBlock[][]; readonly lost: readonly LogBlock[] } {
    const most = this.#options.bus.messageBytes * share;
    const parts: LogBlock[][] = [[]];
    const lost: LogBlock[] = [];
    let bytes = 0;
    for (const block of blocks) {
      const own = bytesOf([block]);
      if (own > most) {
        lost.push(block);
        continue;
      }
      if (bytes + own > most) {
        parts.push([]);
        bytes = 0;
      }
      parts.at(-1)?.push(block);
      bytes += own;
    }
    return { parts, lost };
  }

  #send(item: ReportItem): Promise<boolean> {
    if (this.#isClosed || this.#waiting.length >= nodeLimits.reports) return Promise.resolve(false);
    const bytes =
      item.kind === 'logs'
        ? bytesOf(item.blocks)
        : (item.records.length + item.counts.length) * recordBytes + itemBytes;
    return new Promise((resolve) => {
      this.#waiting.push({ item, bytes, done: resolve });
      this.#sending ??= this.#sendAll().finally(() => {
        this.#sending = null;
      });
    });
  }

  async #sendAll(): Promise<void> {
    const { bus, nodeId, bootId } = this.#options;
    while (this.#waiting.length > 0) {
      const some = this.#take();
      this.#lastMessage += 1;
      const data = encodeMessage(kinds.report, { items: some.map(({ item }) => item) });
      const isStored = await this.#store(subjects.reports(nodeId), data, `${bootId}/${this.#lastMessage}`, bus);
      for (const { done } of some) done(isStored);
      // More batches come together meanwhile: a control stores one message in one transaction.
      if (!this.#isClosing) await delay(nodeLimits.reportMs, undefined, { ref: false });
    }
  }

  /** Takes as many of the oldest items as fit into a message, at least one. */
  #take(): readonly Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && bytes + waiting.bytes > nodeLimits.reportBytes) break;
      count += 1;
      bytes += waiting.bytes;
    }
    return this.#waiting.splice(0, count);
  }

  /** Tries until the message is stored. Returns false when this node ends before, or when the message is too large. */
  async #store(subject: string, data: Uint8Array, id: string, bus: ReportsOptions['bus']): Promise<boolean> {
    while (!this.#isClosed) {
      try {
        if (bus.isConnected) {
          if (data.length > bus.messageBytes) return false;
          await bus.store(subject, data, id);
          this.#hasReported = false;
          return true;
        }
      } catch (error) {
        if (!this.#hasReported) this.#options.report('log lines and usage wait: NATS does not store them', error);
        this.#hasReported = true;
      }
      await delay(100, undefined, { ref: false });
    }
    return false;
  }
}

function isPlaced({ handlerId, deployment }: Pick<UsageCount, 'handlerId' | 'deployment'>): boolean {
  return typeof handlerId === 'string' && Number.isFinite(deployment);
}

function bytesOf(blocks: readonly LogBlock[]): number {
  return blocks.reduce((sum, { data, words }) => sum + data.length + words.length + itemBytes, itemBytes);
}
