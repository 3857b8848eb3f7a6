/**
 * Answers runners of an earlier control, which report to control's own port because they have no channel to it. They
 * ask whether they are replaced, and hand over log lines and usage that their own control did not get.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { answerToProbe, runnerProbe } from '../../protocol/runner-probe.ts';
import { type TakeoverAnswer, type TakeoverReport, takeoverPath } from '../../protocol/takeover.ts';
import { fleetLimits } from './limits.ts';

export interface TakeoverDoorOptions {
  readonly platformId: string;
  /** Key of the runners that may report; the answer proves with it that this is the right control. */
  readonly probeKey: string;
  readonly bootId: string;
  /** Returns whether runners of this control serve. */
  readonly isReplaced: () => boolean;
  /** Stores log lines and usage of a report. Resolves with whether the lines could be stored. */
  readonly onReport: (report: TakeoverReport) => Promise<boolean>;
}

/** Checks only the shape: the stores check lines, records and counts, like those from a runner's channel. */
const reportSchema = z.object({
  runnerId: z.string().max(200),
  pid: z.int().positive(),
  isClosed: z.boolean(),
  logs: z
    .object({
      batch: z.int().positive(),
      blocks: z.array(z.looseObject({ words: z.string(), data: z.string() })).optional(),
      lines: z.array(z.looseObject({})).optional(),
      dropped: z.record(z.string(), z.number()),
    })
    .optional(),
  usage: z
    .object({
      records: z.array(z.looseObject({})),
      counts: z.array(z.looseObject({})),
      running: z.object({ started: z.array(z.looseObject({})), ended: z.array(z.string()) }),
    })
    .optional(),
});

export class TakeoverDoor {
  readonly #options: TakeoverDoorOptions;
  readonly #closed = new Set<number>();
  #wake: (() => void)[] = [];

  constructor(options: TakeoverDoorOptions) {
    this.#options = options;
  }

  handles(request: IncomingMessage): boolean {
    return request.url === takeoverPath;
  }

  /** Answers a report with a TakeoverAnswer, or 401 without the key, 405, 413, 400. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number): void => {
      response.writeHead(status, { connection: 'close' }).end();
    };
    const field = request.headers[runnerProbe.askField];
    const proof = typeof field === 'string' ? answerToProbe(this.#options.probeKey, field) : null;
    if (proof === null) return refuse(401);
    if (request.method !== 'POST') return refuse(405);
    const text = await readBody(request);
    if (text === null) return refuse(413);
    const report = parse(text);
    if (report === null) return refuse(400);
    const isStored = await this.#receive(report);
    const { platformId, bootId, isReplaced } = this.#options;
    const answer: TakeoverAnswer & { readonly platformId: string } = {
      platformId,
      bootId,
      isLost: !isStored,
      isReplaced: isReplaced(),
    };
    const headers = { 'content-type': 'application/json', [runnerProbe.proofField]: proof, connection: 'close' };
    response.writeHead(200, headers).end(JSON.stringify(answer));
  }

  /** Returns whether process `pid` has reported that it answers no further requests. */
  hasClosed(pid: number): boolean {
    return this.#closed.has(pid);
  }

  /** Resolves when the next runner reports that, or after `ms` milliseconds. */
  async nextClose(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake.push(resolve);
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }

  async #receive(report: TakeoverReport): Promise<boolean> {
    const isStored = await this.#options.onReport(report);
    if (report.isClosed) {
      this.#closed.add(report.pid);
      for (const resolve of this.#wake.splice(0)) resolve();
    }
    return isStored;
  }
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request) {
      bytes += part.length;
      if (bytes > fleetLimits.reportBytes) return null;
      parts.push(part);
    }
  } catch {
    return null;
  }
  return Buffer.concat(parts).toString();
}

function parse(text: string): TakeoverReport | null {
  try {
    // The schema checks what this station uses; the stores check the rest.
    return reportSchema.parse(JSON.parse(text)) as unknown as TakeoverReport;
  } catch {
    return null;
  }
}
