/** Calls functions for queues and schedules, over the functions' port of runners: of this machine, or of a node. */
import { Agent, request } from 'node:http';
import type { TriggerKind } from '../../protocol/trigger.ts';
import { errorField, lostOutputField, triggerField, writeTrigger } from '../../protocol/trigger.ts';

export interface TriggeredCall {
  readonly kind: TriggerKind;
  /** Name for the record of the Invocation. */
  readonly name: string;
  readonly handler: string;
  readonly path: string;
  /** Variables of the Invocation. */
  readonly env: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Milliseconds of wall clock for the whole call; the Deployment's own limit holds as well. */
  readonly timeoutMs: number;
  /** Method of the request; absent: POST. */
  readonly method?: string;
  /** Authority of the request; absent: the handler's own host name. */
  readonly authority?: string;
  /** Fields of the request besides those of every call; each character stands for one octet (latin1). */
  readonly fields?: readonly (readonly [string, string])[];
}

/** Where a call goes. */
export interface CallTarget {
  readonly host: string;
  readonly port: number;
  /** Key by which the runners there recognise calls of the platform. */
  readonly key: string;
  /**
   * Is called when nothing listens there, so that `target` returns another address next; absent: there is no other one.
   */
  readonly onRefused?: () => void;
}

/** Answer of the runner. */
export interface Answered {
  readonly kind: 'answered';
  readonly status: number;
  /** Fields as received: name, value, name, value… */
  readonly fields: readonly string[];
  readonly body: Buffer;
  /** Number of bytes of the body, or of standard output, that were not kept. */
  readonly lostBytes: number;
  readonly invocation: string | null;
  /** Error code of the platform's own answer; null: the function's answer. */
  readonly code: string | null;
}

/** No complete answer. `isAway`: no runner serves, so the function has not begun. */
export interface Unanswered {
  readonly kind: 'unanswered';
  readonly isAway: boolean;
  readonly reason: string;
}

export type CallResult =
  /** The function exited with 0. */
  | { readonly kind: 'ok'; readonly output: Buffer; readonly lostBytes: number; readonly invocation: string | null }
  /** The function ran and failed, or was ended. */
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly invocation: string | null;
      /** Whether a member of its team has ended it: it is not tried again. */
      readonly isCancelled: boolean;
    }
  /** The function has not begun: no runner serves, or too many calls are in flight. It can be tried again later. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Error codes of answers that come before a function has begun. */
const refusals = new Set([
  ...['overloaded', 'unavailable', 'not_deployed', 'handler_not_found', 'suspended'],
  // Nodes have come or gone just now: the next attempt finds the holder.
  'misdirected',
]);

/** Methods whose requests have no body unless one is declared. */
const bodiless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/**
 * Milliseconds after the call's limit at which a runner counts as hanging; usually the runner ends the call in time.
 */
const lateMs = 15_000;

/**
 * Addresses that are tried for one call while nothing listens there: nodes of which it is not known yet that they have
 * gone.
 */
const targetsMax = 3;

/** Bytes of an answer that are read: the captured output, or a problem document. */
const answerBytes = 2 * 1024 * 1024;

export class FunctionCaller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 64 });
  readonly #options: {
    /**
     * Returns an address at which runners answer calls of a label, and the key that they know; null: there are none.
     */
    readonly target: (label: string) => CallTarget | null;
    readonly domain: string;
  };

  constructor(options: { readonly target: (label: string) => CallTarget | null; readonly domain: string }) {
    this.#options = options;
  }

  /** Resolves when the function has ended; never rejects. */
  async call(call: TriggeredCall): Promise<CallResult> {
    const result = await this.exchange(call);
    if (result.kind === 'answered') return resultOf(result);
    const { reason, isAway } = result;
    return isAway ? { kind: 'refused', reason } : { kind: 'failed', reason, invocation: null, isCancelled: false };
  }

  /** Resolves with the answer as the runner gave it; never rejects. */
  async exchange(call: TriggeredCall): Promise<Answered | Unanswered> {
    for (let tried = 1; ; tried += 1) {
      const target = this.#options.target(call.handler);
      if (target === null) return { kind: 'unanswered', isAway: true, reason: 'no node serves' };
      const result = await this.#exchange(call, target);
      const isRefused = result.kind === 'unanswered' && result.isAway;
      if (!isRefused || target.onRefused === undefined) return result;
      target.onRefused();
      if (tried === targetsMax) return result;
    }
  }

  #exchange(call: TriggeredCall, { key, host, port }: CallTarget): Promise<Answered | Unanswered> {
    const { domain } = this.#options;
    const trigger = { kind: call.kind, name: call.name, label: call.handler, env: call.env, timeoutMs: call.timeoutMs };
    const headers = [
      ...['host', call.authority ?? `${call.handler}.${domain}`],
      ...[triggerField, writeTrigger(key, trigger)],
      // A GET without a body gets no body, not an empty one.
      ...(call.body.length === 0 && bodiless.has(call.method ?? 'POST')
        ? []
        : ['content-length', String(call.body.length)]),
      ...(call.fields === undefined ? ['content-type', call.contentType] : call.fields.flat()),
    ];
    return new Promise((resolve) => {
      let hasAnswered = false;
      const { method = 'POST', path } = call;
      const outgoing = request({ host, port, agent: this.#agent, method, path, headers });
      const timer = setTimeout(() => {
        resolve({ kind: 'unanswered', isAway: false, reason: 'deadline_exceeded: the runner did not answer' });
        outgoing.destroy();
      }, call.timeoutMs + lateMs);
      const settle = (result: Answered | Unanswered): void => {
        clearTimeout(timer);
        resolve(result);
      };
      outgoing.on('response', (response) => {
        hasAnswered = true;
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= answerBytes) chunks.push(chunk);
        });
        response.on('end', () => {
          const id = response.headers['trisiel-invocation'];
          const code = response.headers[errorField];
          const body = Buffer.concat(chunks);
          settle({
            kind: 'answered',
            status: response.statusCode ?? 0,
            fields: response.rawHeaders,
            body,
            lostBytes: Number(response.headers[lostOutputField] ?? 0) + bytes - body.length,
            invocation: typeof id === 'string' ? id : null,
            code: typeof code === 'string' ? code : null,
          });
        });
        response.on('error', (error) => settle(broken(error)));
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        if (hasAnswered) return;
        const isAway = error.code === 'ECONNREFUSED';
        settle(isAway ? { kind: 'unanswered', isAway, reason: 'no runner serves' } : broken(error));
      });
      outgoing.end(call.body);
    });
  }

  /** Closes all connections; running calls are cut off. */
  close(): void {
    this.#agent.destroy();
  }
}

function broken(error: Error): Unanswered {
  return { kind: 'unanswered', isAway: false, reason: `the runner ended: ${error.message}` };
}

/** Returns the meaning of an answer for a delivery: any 2xx is a success, since components choose their own status. */
export function resultOf({ status, body, lostBytes, invocation, code: own }: Answered): CallResult {
  if (status >= 200 && status < 300) return { kind: 'ok', output: body, lostBytes, invocation };
  let code = own ?? 'internal';
  let detail = `status ${status}`;
  try {
    // Fields are looked at below.
    const problem = JSON.parse(body.toString()) as { readonly code?: unknown; readonly detail?: unknown };
    if (own === null && typeof problem.code === 'string') code = problem.code;
    if (typeof problem.detail === 'string') detail = problem.detail;
  } catch {
    // The body is no problem document, so only the status is used.
  }
  const reason = `${code}: ${detail}`;
  // A function that writes such a code itself has begun.
  if (own !== null && refusals.has(own)) return { kind: 'refused', reason };
  return { kind: 'failed', reason, invocation, isCancelled: own === 'cancelled' };
}
