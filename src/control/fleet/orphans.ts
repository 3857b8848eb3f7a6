/**
 * Runners of an earlier control: lets them close when the new ones serve, takes what they report and leave in files,
 * and ends those that hang. The record of this control's own runners is kept for the next control.
 */
import { messageOf } from '../../protocol/errors.ts';
import { blockOfText } from '../../protocol/takeover.ts';
import { storeUsage } from './inbox.ts';
import { fleetLimits } from './limits.ts';
import { LogSpools } from './log-spools.ts';
import type { FleetOptions } from './options.ts';
import { OrphanRecord } from './orphan-record.ts';
import { TakeoverDoor } from './takeover-door.ts';

export class Orphans {
  /** Handles requests that runners of an earlier control send to control's server. */
  readonly door: TakeoverDoor;
  /** Files for log lines that runners leave when no control takes them; null: there are none. */
  readonly spools: LogSpools | null;
  readonly #options: FleetOptions;
  readonly #record: OrphanRecord | null;
  readonly #takenOver = Promise.withResolvers<void>();
  #hasTakenOver = false;
  #isReplacing = false;
  #isStopped = false;
  #spoolTimer: NodeJS.Timeout | null = null;
  #grace: NodeJS.Timeout | null = null;

  /** `isServing`: whether a runner of this control serves. */
  constructor(options: FleetOptions, isServing: () => boolean) {
    this.#options = options;
    this.#record = options.recordFile === undefined ? null : new OrphanRecord(options.recordFile);
    this.spools = options.spoolFolder === undefined ? null : new LogSpools(options.spoolFolder, options.onBlocks);
    this.door = new TakeoverDoor({
      platformId: options.platformId,
      probeKey: options.probeKey,
      bootId: options.bootId,
      isReplaced: () => this.#isReplacing && isServing(),
      onReport: async ({ runnerId, logs, usage }) => {
        if (usage !== undefined) await storeUsage(options, usage);
        if (logs === undefined) return true;
        const { batch, blocks, lines = [], dropped } = logs;
        const id = { origin: runnerId, number: batch };
        if (blocks === undefined) return (await options.onLogs(lines, dropped, id)) !== 'lost';
        return (await options.onBlocks(blocks.map(blockOfText), dropped, id)) !== 'lost';
      },
    });
  }

  /** Whether no runner of an earlier control answers any more. */
  get haveClosed(): boolean {
    return this.#hasTakenOver;
  }

  /** Resolves when no runner of an earlier control answers any more, or when the fleet stops. */
  get closed(): Promise<void> {
    return this.#takenOver.promise;
  }

  /** Resolves when the record of this control's runners is on the disk, and no line of earlier ones is being stored. */
  async written(): Promise<void> {
    await this.spools?.close();
    await this.#record?.written;
  }

  /** Records a runner of this control that has started. */
  started(pid: number | undefined): void {
    if (pid !== undefined) this.#record?.add(pid);
  }

  /** Takes a runner of this control that has ended off the record. */
  ended(runnerId: string, pid: number | undefined): void {
    if (pid !== undefined) this.#record?.remove(pid);
    // A failure leaves an empty file, which the next control removes.
    this.spools?.ended(runnerId, pid ?? 0).catch(() => {});
  }

  /**
   * Lets runners of an earlier control close when they ask for it, and waits until each has closed or ended. A runner
   * that is silent for fleetLimits.takeoverMs hangs: it is killed, since it could still accept connections.
   */
  async takeOver(): Promise<void> {
    this.#isReplacing = true;
    const endMs = performance.now() + fleetLimits.takeoverMs;
    while (!this.#isStopped) {
      const open = this.#alive().filter((pid) => !this.door.hasClosed(pid));
      if (open.length === 0) break;
      if (performance.now() >= endMs) {
        this.#end(open);
        break;
      }
      await this.door.nextClose(fleetLimits.takeoverLookMs);
    }
    this.#hasTakenOver = true;
    this.#takenOver.resolve();
  }

  /** Begins to store log lines that they have left in files, and ends them after their grace. */
  windUp(): void {
    void this.#deliverSpools();
    const graceMs = this.#options.orphanGraceMs ?? fleetLimits.orphanGraceMs;
    this.#grace = setTimeout(() => this.#end(this.#alive()), graceMs);
    this.#grace.unref();
  }

  /** Stops waiting for orphans, which go on. Nothing is delivered or ended any more. */
  stop(): void {
    this.#isStopped = true;
    this.#takenOver.resolve();
    if (this.#grace !== null) clearTimeout(this.#grace);
    if (this.#spoolTimer !== null) clearTimeout(this.#spoolTimer);
  }

  #alive(): readonly number[] {
    return this.#record?.orphans() ?? [];
  }

  #end(pids: readonly number[]): void {
    for (const pid of this.#record?.end(pids) ?? []) {
      const reason = `process ${pid}, a runner of an earlier control, did not end by itself`;
      this.#options.onEvent?.({ kind: 'orphan_killed', pid, reason });
    }
  }

  /** Stores log lines that earlier runners have left in files; looks again while such runners live. */
  async #deliverSpools(): Promise<void> {
    let left = 1;
    try {
      left = (await this.spools?.deliver(this.#alive())) ?? 0;
    } catch (error) {
      this.#options.onEvent?.({
        kind: 'spool_unreadable',
        reason: messageOf(error),
      });
    }
    if (left === 0 || this.#isStopped) return;
    this.#spoolTimer = setTimeout(() => void this.#deliverSpools(), fleetLimits.spoolMs);
    this.#spoolTimer.unref();
  }
}
