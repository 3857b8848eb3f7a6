/**
 * Asks controls over HTTP: the one that answered last, and another one when it does not answer or is `unavailable`. A
 * request that may have been executed is repeated only where repeating it changes nothing.
 */
import { createHash } from 'node:crypto';
import { Agent, request } from 'undici';
import { decodeMessage, encodeMessage } from '../bus/codec.ts';
import { digestField, epochField, nodeDoorPath } from '../bus/door.ts';
import { type Joined, joinedSchema, kinds, readMessage, releaseRowsSchema, replySchema } from '../bus/messages.ts';
import { type ErrorCode, errorStatus, PlatformError } from '../protocol/errors.ts';
import type { BusRequest, CallBusRequest, DeploymentSpec } from '../protocol/messages.ts';
import type { Released } from '../protocol/released.ts';
import { nodeLimits } from './limits.ts';

/** Errors after which a request has certainly not reached a control. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Requests of runners that may be executed twice without a difference. */
const repeatable = new Set<string>(['kv.get', 'kv.put', 'kv.delete', 'kv.keys', 'call.show', 'call.answer']);

export interface ControlsOptions {
  /** Base URLs of controls that are known at the start, without slashes at the end. */
  readonly urls: readonly string[];
  readonly token: string;
  /** Is called when a control answers. */
  readonly onContact: () => void;
  /** Is called when a control says that this node has been removed (`unauthorized`) or replaced (`conflict`). */
  readonly onRefused: (error: PlatformError) => void;
}

interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Uint8Array;
  readonly isRepeatable: boolean;
  readonly answerMs: number;
  readonly totalMs: number;
  /** Base URL of the only control to ask; absent: any. */
  readonly of?: string;
}

interface Answer {
  readonly bytes: Uint8Array;
  readonly digest: string | null;
}

export class Controls {
  readonly #options: ControlsOptions;
  readonly #agent = new Agent({
    connections: nodeLimits.connections,
    connect: { timeout: nodeLimits.connectMs },
    pipelining: 1,
  });
  /** Base URLs in the order in which they are asked. */
  #urls: readonly string[];
  /** Until when a control that did not answer is asked last, in milliseconds of performance.now(). */
  readonly #restsUntilMs = new Map<string, number>();
  #epoch = 0;
  /** Requests that wait for an answer. */
  #waiting = 0;

  constructor(options: ControlsOptions) {
    this.#options = options;
    this.#urls = options.urls;
  }

  get urls(): readonly string[] {
    return this.#urls;
  }

  /** Adds a control that has said that it lives. */
  add(url: string): void {
    if (!this.#urls.includes(url)) this.#urls = [...this.#urls, url];
  }

  /** Joins the cluster. Throws `unauthorized` when the token is not valid, `unavailable` when no control answers. */
  async join(): Promise<Joined> {
    const { bytes } = await this.#ask({
      method: 'POST',
      path: 'join',
      isRepeatable: true,
      ...times(nodeLimits.answerMs),
    });
    const joined = readMessage(bytes, kinds.joined, joinedSchema);
    this.#epoch = joined.epoch;
    return joined;
  }

  /** Goes on with the epoch of an earlier start, when no control can be reached. */
  resume(epoch: number): void {
    this.#epoch = epoch;
  }

  /** Returns what is released above the revision `after`, oldest first. */
  async releases(after: number): Promise<{
    readonly rows: readonly { readonly key: string; readonly revision: number; readonly content: Released | null }[];
    readonly more: boolean;
    readonly revision: number;
  }> {
    const path = `releases?after=${after}`;
    const { bytes } = await this.#ask({ method: 'GET', path, isRepeatable: true, ...times(nodeLimits.answerMs) });
    const { rows, ...rest } = readMessage(bytes, kinds.releases, releaseRowsSchema);
    // Controls are the platform's own programs: their contents have the types of src/protocol.
    return { ...rest, rows: rows.map((row) => ({ ...row, content: row.content as Released | null })) };
  }

  /** Returns a spec that the control at `url` has prepared. */
  async spec(specId: string, url: string): Promise<DeploymentSpec> {
    const path = `specs/${encodeURIComponent(specId)}`;
    const { bytes } = await this.#ask({
      method: 'GET',
      path,
      isRepeatable: true,
      of: url,
      ...times(nodeLimits.answerMs),
    });
    return decodeMessage(bytes, [kinds.spec]).body as DeploymentSpec; // a control has sent it
  }

  /** Returns a blob from the first control that has it. Throws `not_found`, `unavailable`. */
  async blob(name: string): Promise<Uint8Array> {
    const question: Question = {
      ...{ method: 'GET', path: `blobs/${name}`, isRepeatable: true },
      ...{ answerMs: nodeLimits.blobMs, totalMs: nodeLimits.blobMs },
    };
    let missing: unknown = null;
    for (const of of this.#inOrder()) {
      try {
        const { bytes, digest } = await this.#ask({ ...question, of });
        if (digest === createHash('sha256').update(bytes).digest('hex')) return bytes;
        missing ??= new PlatformError('unavailable', `the blob ${name} came damaged`);
      } catch (error) {
        // Another control may have it.
        missing = missing === null || isNotFound(missing) ? error : missing;
      }
    }
    throw missing ?? away();
  }

  /** Returns the answer to a request of a runner. Throws control's error; `unavailable` when no control answers. */
  async request(asked: BusRequest | CallBusRequest): Promise<Uint8Array | null> {
    if (this.#waiting >= nodeLimits.requests)
      throw new PlatformError('unavailable', 'too many requests wait for a control');
    this.#waiting += 1;
    try {
      const { bytes } = await this.#ask({
        ...{ method: 'POST', path: 'request', body: encodeMessage(kinds.request, asked) },
        isRepeatable: repeatable.has(asked.op),
        ...times(nodeLimits.answerMs),
      });
      const reply = readMessage(bytes, kinds.reply, replySchema);
      if (reply.ok) return reply.value;
      throw new PlatformError(codeOf(reply.code), reply.message);
    } finally {
      this.#waiting -= 1;
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Controls that rest come last. */
  #inOrder(): readonly string[] {
    const nowMs = performance.now();
    const rests = (url: string): boolean => (this.#restsUntilMs.get(url) ?? 0) > nowMs;
    return [...this.#urls.filter((url) => !rests(url)), ...this.#urls.filter(rests)];
  }

  async #ask(question: Question): Promise<Answer> {
    const endMs = performance.now() + question.totalMs;
    let last: unknown;
    for (const url of question.of === undefined ? this.#inOrder() : [question.of]) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      try {
        const answer = await this.#askOne(url, question, Math.ceil(Math.min(question.answerMs, leftMs)));
        this.#restsUntilMs.delete(url);
        if (this.#urls[0] !== url && question.of === undefined)
          this.#urls = [url, ...this.#urls.filter((one) => one !== url)];
        return answer;
      } catch (error) {
        // A control that cannot reach the database answers so; another one may reach it.
        const isAway = error instanceof PlatformError && error.code === 'unavailable';
        if (error instanceof PlatformError && !(isAway && question.isRepeatable)) throw error;
        this.#restsUntilMs.set(url, performance.now() + nodeLimits.restMs);
        last = error;
        if (!question.isRepeatable && !unsent.has(String((error as { code?: unknown }).code))) break; // only read
      }
    }
    throw last instanceof PlatformError ? last : away(last);
  }

  /** Asks one control. Throws PlatformError for an answer that is an error, any other Error when there is no answer. */
  async #askOne(url: string, { method, path, body }: Question, ms: number): Promise<Answer> {
    const { onContact, onRefused, token } = this.#options;
    const {
      statusCode,
      headers,
      body: answer,
    } = await request(`${url}${nodeDoorPath}${path}`, {
      method,
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(ms),
      headersTimeout: ms,
      bodyTimeout: ms,
      headers: { authorization: `Bearer ${token}`, [epochField]: String(this.#epoch) },
      ...(body === undefined ? {} : { body }),
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (statusCode === 200) {
      onContact();
      return { bytes, digest: typeof headers[digestField] === 'string' ? headers[digestField] : null };
    }
    const error = errorOf(statusCode, bytes);
    if (statusCode === 401 || statusCode === 409) onRefused(error);
    throw error;
  }
}

function times(answerMs: number): { readonly answerMs: number; readonly totalMs: number } {
  return { answerMs, totalMs: nodeLimits.requestMs };
}

function away(cause?: unknown): PlatformError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new PlatformError('unavailable', `no control can be reached${why}`, { retryAfterSeconds: 1, cause });
}

function isNotFound(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'not_found';
}

/**
 * Returns the error that a problem document describes. Throws Error when another server than a control has answered.
 */
function errorOf(status: number, bytes: Uint8Array): PlatformError {
  let problem: unknown;
  try {
    problem = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new Error(`status ${status}, from no control`, { cause });
  }
  const { code, detail } = (problem ?? {}) as { readonly code?: unknown; readonly detail?: unknown };
  if (typeof code !== 'string') throw new Error(`status ${status}, from no control`);
  return new PlatformError(codeOf(code), typeof detail === 'string' ? detail : code);
}

/** Returns `code`; `internal` for one that a newer control uses. */
function codeOf(code: string): ErrorCode {
  return code in errorStatus ? (code as ErrorCode) : 'internal'; // asked on this line
}
