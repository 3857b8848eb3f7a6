/**
 * What a runner does whose control has ended. It goes on serving, and asks whether another control of the same data
 * folder has runners that serve. That control gets what the old one did not: log lines and usage. Then the runner ends.
 *
 *     waiting --control answers--> reporting --its runners serve--> replaced
 *        ^                            |
 *        +------ it goes away --------+
 */
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { makeProbe, runnerProbe } from '../protocol/runner-probe.ts';
import { blockToText, type TakeoverAnswer, type TakeoverReport, takeoverPath } from '../protocol/takeover.ts';
import { orphanLimits } from './limits.ts';
import type { Fate, LogBatch } from './log-buffer.ts';

export interface TakeoverOptions {
  readonly platformId: string;
  readonly probeKey: string;
  readonly runnerId: string;
  readonly pid: number;
  /** Boot id of the control that has ended. */
  readonly controlBootId: string;
  readonly controlUrl: string;
  /** URL `http://host:port` of the functions' port, which new runners share with this one. */
  readonly runnersUrl: string;
  readonly lifetimeMs: number;
  /** Is called when the next control answers for the first time, or again: waiting batches can be sent. */
  readonly onReachable: () => void;
}

/** Content of a report, without its runner. */
export interface ReportContent {
  readonly logs?: LogBatch;
  readonly usage?: NonNullable<TakeoverReport['usage']>;
}

interface Waiting {
  readonly content: ReportContent;
  readonly sent: (fate: Fate) => void;
}

export class Takeover {
  readonly #options: TakeoverOptions;
  #controlUrl: string;
  #isReachable = false;
  #isClosed = false;
  readonly #waiting: Waiting[] = [];
  #posting: Promise<TakeoverAnswer | null> | null = null;

  constructor(options: TakeoverOptions) {
    this.#options = options;
    this.#controlUrl = options.controlUrl;
  }

  /** Resolves, with the reason, when this runner is not needed any more. */
  async replaced(): Promise<string> {
    const startMs = performance.now();
    const endMs = startMs + this.#options.lifetimeMs;
    while (performance.now() < endMs) {
      const answer = await this.#post();
      if (answer?.isReplaced === true) return 'runners of a new control serve';
      if (answer === null) await this.#look();
      const isEarly = answer !== null || performance.now() < startMs + orphanLimits.oftenMs;
      await delay(isEarly ? orphanLimits.askMs : orphanLimits.laterAskMs);
    }
    return 'no control has taken over in its lifetime';
  }

  /** Passes one batch to the next control, as SendBatch does. */
  send(content: ReportContent, sent: (fate: Fate) => void): boolean {
    if (!this.#isReachable || this.#waiting.length >= orphanLimits.reports) return false;
    this.#waiting.push({ content, sent });
    void this.#post();
    return true;
  }

  /** Tells the next control that this runner answers no further requests. */
  async closed(): Promise<void> {
    this.#isClosed = true;
    await this.#posting;
    await this.#post();
  }

  /** Tries once more to reach control and to send waiting batches. Resolves with whether control answered. */
  async ask(): Promise<boolean> {
    return (await this.#post()) !== null;
  }

  /** Sends requests one after another, each with the batch that has waited longest, if there is one. */
  #post(): Promise<TakeoverAnswer | null> {
    this.#posting ??= this.#postOne().finally(() => {
      this.#posting = null;
      if (this.#isReachable && this.#waiting.length > 0) void this.#post();
    });
    return this.#posting;
  }

  async #postOne(): Promise<TakeoverAnswer | null> {
    const { runnerId, pid } = this.#options;
    const [waiting] = this.#waiting;
    const { logs, usage } = waiting?.content ?? {};
    const report: TakeoverReport = {
      runnerId,
      pid,
      isClosed: this.#isClosed,
      ...(logs === undefined ? {} : { logs: { ...logs, blocks: logs.blocks.map(blockToText) } }),
      ...(usage === undefined ? {} : { usage }),
    };
    const answer = await this.#call('POST', `${this.#controlUrl}${takeoverPath}`, report);
    const isOurs = answer !== null && this.#isSuccessor(answer) && typeof answer.isReplaced === 'boolean';
    if (waiting !== undefined) {
      this.#waiting.shift();
      waiting.sent(isOurs ? (answer.isLost === true ? 'lost' : 'stored') : 'failed');
    }
    const wasReachable = this.#isReachable;
    this.#isReachable = isOurs;
    if (isOurs && !wasReachable) this.#options.onReachable();
    // Batches for a control that has gone go back to their senders.
    if (!isOurs) for (const { sent } of this.#waiting.splice(0)) sent('failed');
    return isOurs
      ? { bootId: String(answer.bootId), isLost: answer.isLost === true, isReplaced: answer.isReplaced === true }
      : null;
  }

  /**
   * Looks for the control. A control that listens elsewhere now is found through its runners, which share the
   * functions' port.
   */
  async #look(): Promise<void> {
    const answer = await this.#call('GET', `${this.#options.runnersUrl}${runnerProbe.path}`);
    if (answer === null || !this.#isSuccessor(answer) || typeof answer.controlUrl !== 'string') return;
    this.#controlUrl = answer.controlUrl;
  }

  #isSuccessor(answer: Readonly<Record<string, unknown>>): boolean {
    const { platformId, controlBootId } = this.#options;
    return answer.platformId === platformId && typeof answer.bootId === 'string' && answer.bootId !== controlBootId;
  }

  /**
   * Returns the JSON object of the answer; null for any other answer, and for one without proof of the platform's key.
   * Uses a new connection each time: several processes share the port.
   */
  #call(
    method: 'GET' | 'POST',
    url: string,
    report?: TakeoverReport,
  ): Promise<Readonly<Record<string, unknown>> | null> {
    const probe = makeProbe(this.#options.probeKey);
    return new Promise((resolve) => {
      const body = report === undefined ? '' : JSON.stringify(report);
      const call = request(
        url,
        {
          method,
          agent: false,
          timeout: orphanLimits.askTimeoutMs,
          headers: {
            [runnerProbe.askField]: probe.field,
            ...(report === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          if (probe.isAnsweredBy(String(response.headers[runnerProbe.proofField]))) resolve(readObject(response));
          else {
            response.destroy();
            resolve(null);
          }
        },
      );
      call.on('timeout', () => call.destroy());
      call.on('error', () => resolve(null));
      call.end(body);
    });
  }
}

async function readObject(response: IncomingMessage): Promise<Readonly<Record<string, unknown>> | null> {
  try {
    let text = '';
    for await (const part of response.setEncoding('utf8')) {
      text += part;
      if (text.length > orphanLimits.answerBytes) return null;
    }
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
