/** Calls a function for a queue or a schedule, over the functions' port of this machine's runners. */
import { Agent, request } from 'node:http';
import type { TriggerKind } from '../../protocol/trigger.ts';
import { lostOutputField, triggerField, writeTrigger } from '../../protocol/trigger.ts';

export interface TriggeredCall {
  readonly kind: TriggerKind;
  readonly handler: string;
  readonly path: string;
  /** Variables of the Invocation. */
  readonly env: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Wall clock of the whole call; the Deployment's own limit counts too. */
  readonly timeoutMs: number;
}

export type CallResult =
  /** The function exited with 0. */
  | { readonly kind: 'ok'; readonly output: Buffer; readonly lostBytes: number; readonly invocation: string | null }
  /** It ran and failed, or was ended. */
  | { readonly kind: 'failed'; readonly reason: string; readonly invocation: string | null }
  /** It has not begun: nobody serves, too many calls are in flight. Try again in a while. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Codes of answers before a function has begun. */
const refusals = new Set(['overloaded', 'unavailable', 'not_deployed', 'handler_not_found', 'suspended']);

/** The runner ends a call in time; one that hangs is given up so much later, milliseconds. */
const lateMs = 15_000;

/** Bytes of an answer that are read: the captured output, or a problem document. */
const answerBytes = 2 * 1024 * 1024;

export class FunctionCaller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 64 });
  readonly #options: {
    readonly key: string;
    /** Where runners answer on this machine. */
    readonly address: () => { readonly host: string; readonly port: number };
    readonly domain: string;
  };

  constructor(options: {
    readonly key: string;
    readonly address: () => { readonly host: string; readonly port: number };
    readonly domain: string;
  }) {
    this.#options = options;
  }

  /** Resolves when the function has ended; never rejects. */
  call(call: TriggeredCall): Promise<CallResult> {
    const { key, address, domain } = this.#options;
    const trigger = { kind: call.kind, label: call.handler, env: call.env, timeoutMs: call.timeoutMs };
    return new Promise((resolve) => {
      let hasAnswered = false;
      const outgoing = request({
        ...address(),
        agent: this.#agent,
        method: 'POST',
        path: call.path,
        headers: {
          host: `${call.handler}.${domain}`,
          'content-type': call.contentType,
          'content-length': call.body.length,
          [triggerField]: writeTrigger(key, trigger),
        },
      });
      const timer = setTimeout(() => {
        resolve({ kind: 'failed', reason: 'deadline_exceeded: the runner did not answer', invocation: null });
        outgoing.destroy();
      }, call.timeoutMs + lateMs);
      const settle = (result: CallResult): void => {
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
          const output = Buffer.concat(chunks);
          const lostBytes = Number(response.headers[lostOutputField] ?? 0) + bytes - output.length;
          const invocation = typeof id === 'string' ? id : null;
          settle(resultOf(response.statusCode ?? 0, output, { lostBytes, invocation }));
        });
        response.on('error', (error) => settle(broken(error)));
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        if (hasAnswered) return;
        const isAway = error.code === 'ECONNREFUSED';
        settle(isAway ? { kind: 'refused', reason: 'no runner serves' } : broken(error));
      });
      outgoing.end(call.body);
    });
  }

  /** Closes its connections; calls that run are broken off. */
  close(): void {
    this.#agent.destroy();
  }
}

function broken(error: Error): CallResult {
  return { kind: 'failed', reason: `the runner ended: ${error.message}`, invocation: null };
}

function resultOf(
  status: number,
  body: Buffer,
  { lostBytes, invocation }: { readonly lostBytes: number; readonly invocation: string | null },
): CallResult {
  // A component that speaks wasi:http answers with a status of its own.
  if (status >= 200 && status < 300) return { kind: 'ok', output: body, lostBytes, invocation };
  let code = 'internal';
  let detail = `status ${status}`;
  try {
    const problem = JSON.parse(body.toString()) as { readonly code?: unknown; readonly detail?: unknown };
    if (typeof problem.code === 'string') code = problem.code;
    if (typeof problem.detail === 'string') detail = problem.detail;
  } catch {
    // No problem document: the status has to do.
  }
  const reason = `${code}: ${detail}`;
  return refusals.has(code) ? { kind: 'refused', reason } : { kind: 'failed', reason, invocation };
}
