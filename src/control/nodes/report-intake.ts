/**
 * Stores what nodes report: log lines and usage, from the stream in which NATS keeps them. Each message of a node is
 * given to one control at a time, and the next one when it is confirmed, which happens after the commit. A message that
 * is given twice, because a control ended between commit and confirmation, is recognised by its batches' numbers.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '../../bus/bus.ts';
import { UnknownVersionError } from '../../bus/codec.ts';
import { kinds, readMessage, reportSchema } from '../../bus/messages.ts';
import { PlatformError } from '../../protocol/errors.ts';
import type { NodeReport, ReportItem } from '../../protocol/node-report.ts';
import type { LogAppendResult, LogBatchId, LogSink } from '../../protocol/ports.ts';
import { isOutage } from '../db/sql-error.ts';

const limits = {
  /** Milliseconds before a message is taken again that could not be stored. */
  againMs: 500,
  /** Milliseconds between two attempts to take from a stream that is missing or cannot be reached. */
  retryMs: 500,
} as const;

/** Records and counts of one runner, under the number of their batch. */
type UsageBatch = Pick<Extract<ReportItem, { kind: 'usage' }>, 'records' | 'counts'> & { readonly id: LogBatchId };

export interface ReportIntakeOptions {
  readonly bus: Pick<Bus, 'isConnected' | 'makeStream' | 'take' | 'drop'>;
  readonly logs: Pick<LogSink, 'appendBlocks'>;
  /** Stores batches of usage that have not been stored before. Rejects when none of them is stored. */
  readonly onUsage: (batches: readonly UsageBatch[]) => Promise<void>;
  /** Is called after lines were stored. */
  readonly onStored: () => void;
  readonly report: (message: string, error: unknown) => void;
}

interface Reader {
  isEnded: boolean;
  /** Whether a report of the node was left to a newer control; it is given again every limits.againMs. */
  hasLeft: boolean;
  stop: () => void;
  done: Promise<void>;
}

export class ReportIntake {
  readonly #options: ReportIntakeOptions;
  readonly #readers = new Map<string, Reader>();
  #hasReported = false;
  /** Whether it was reported that usage cannot be stored. */
  #hasFailed = false;

  constructor(options: ReportIntakeOptions) {
    this.#options = options;
  }

  /** Takes reports of exactly the nodes `ids` from now on. */
  follow(ids: readonly string[]): void {
    for (const [id, reader] of this.#readers) {
      if (ids.includes(id)) continue;
      this.#readers.delete(id);
      this.#end(reader);
      void reader.done.then(() => this.#options.bus.drop(id)).catch(() => {});
    }
    for (const id of ids) {
      if (this.#readers.has(id)) continue;
      const reader: Reader = { isEnded: false, hasLeft: false, stop: () => {}, done: Promise.resolve() };
      reader.done = this.#read(id, reader);
      this.#readers.set(id, reader);
    }
  }

  /** Stops; waits for messages that are being stored. */
  async close(): Promise<void> {
    const all = [...this.#readers.values()];
    for (const reader of all) this.#end(reader);
    await Promise.all(all.map(({ done }) => done));
  }

  #end(reader: Reader): void {
    reader.isEnded = true;
    reader.stop();
  }

  async #read(id: string, reader: Reader): Promise<void> {
    const { bus, report } = this.#options;
    while (!reader.isEnded) {
      try {
        if (bus.isConnected) await this.#take(id, reader);
      } catch (error) {
        if (!this.#hasReported) report('reports of nodes cannot be taken; trying again', error);
        this.#hasReported = true;
      }
      if (!reader.isEnded) await delay(limits.retryMs, undefined, { ref: false });
    }
  }

  async #take(id: string, reader: Reader): Promise<void> {
    const { bus } = this.#options;
    await bus.makeStream();
    const { messages, stop } = await bus.take(id, () => {
      if (!this.#hasReported)
        this.#options.report(
          'reports of nodes wait: NATS gives none',
          new PlatformError('unavailable', 'it cannot be reached, or too few of its servers live to have a quorum'),
        );
      this.#hasReported = true;
    });
    reader.stop = stop;
    if (reader.isEnded) return stop();
    this.#hasReported = false;
    try {
      for await (const message of messages) {
        this.#hasReported = false;
        if (await this.#store(message.data, reader)) message.ack();
        else message.nak(limits.againMs);
        if (reader.isEnded) break;
      }
    } finally {
      stop();
    }
  }

  /** Stores one message of the node of `reader`. Returns whether all of it is stored, or can never be. */
  async #store(data: Uint8Array, reader: Reader): Promise<boolean> {
    const { onStored, report } = this.#options;
    let items: readonly ReportItem[];
    try {
      // The schema checks what this station uses; the stores check the rest.
      ({ items } = readMessage(data, kinds.report, reportSchema) as unknown as NodeReport);
    } catch (error) {
      // An older control cannot read what a newer node sends, and leaves it to a newer control.
      const isLeft = error instanceof UnknownVersionError;
      if (!(isLeft && reader.hasLeft)) report('a report of a node was refused', error);
      reader.hasLeft ||= isLeft;
      return !isLeft;
    }
    reader.hasLeft = false;
    // Usage before lines: a reader of an invocation's last line finds its record.
    const usage = items
      .filter((item) => item.kind === 'usage')
      .map(({ origin, number, records, counts }) => ({ id: { origin, number }, records, counts }));
    if (!(await this.#storeUsage(usage))) return false;
    // Batches of one sender are stored as one, under the number of the last of them: a message that is given again has
    // the same batches. Senders do not wait for each other.
    const bySender = Map.groupBy(
      items.filter((item) => item.kind === 'logs'),
      ({ origin }) => origin,
    );
    const results = await Promise.all([...bySender].map(([origin, batches]) => this.#storeLines(origin, batches)));
    if (results.includes('lost')) return false;
    if (results.length > 0) onStored();
    return true;
  }

  /**
   * Stores batches of usage. Returns false when the database does not work at the moment: the message is given again. A
   * batch that can never be stored is reported and lost: given again, it would hold up everything that its node
   * reports.
   */
  async #storeUsage(batches: readonly UsageBatch[]): Promise<boolean> {
    if (batches.length === 0) return true;
    const { onUsage, report } = this.#options;
    try {
      await onUsage(batches);
      this.#hasFailed = false;
    } catch (error) {
      if (mayPass(error)) {
        if (!this.#hasFailed) report('usage that nodes report cannot be stored; trying again', error);
        this.#hasFailed = true;
        return false;
      }
      if (batches.length > 1) {
        // Those of other runners are stored without the one that the database refuses.
        for (const batch of batches) if (!(await this.#storeUsage([batch]))) return false;
        return true;
      }
      report('usage that a node reports can never be stored, and is lost', error);
    }
    return true;
  }

  #storeLines(origin: string, batches: readonly Extract<ReportItem, { kind: 'logs' }>[]): Promise<LogAppendResult> {
    const dropped: Record<string, number> = {};
    for (const batch of batches)
      for (const [id, count] of Object.entries(batch.dropped)) dropped[id] = (dropped[id] ?? 0) + count;
    const number = Math.max(...batches.map((batch) => batch.number));
    return this.#options.logs.appendBlocks(
      batches.flatMap(({ blocks }) => blocks),
      dropped,
      { origin, number },
    );
  }
}

/** Returns whether what failed may work later: the database is away, or has too much to do. */
function mayPass(error: unknown): boolean {
  return isOutage(error) || (error instanceof PlatformError && error.code === 'unavailable');
}
