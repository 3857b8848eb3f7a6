/** Record of a request that was refused before it had a slot, for the owner's list of Invocations. */
import type { ErrorCode } from '../protocol/errors.ts';
import type { PendingInvocationRecord } from '../protocol/nouns.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import type { EndedInvocation, RecordKeeping } from './usage-reporter.ts';

export interface RefusedRequestOptions {
  readonly id: string;
  readonly deployment: LoadedDeployment;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly isOfPlatform: boolean;
  /** Time in Unix milliseconds. */
  readonly wallMs: number;
  /** Time in monotonic milliseconds. */
  readonly nowMs: number;
  /** Number of its lines in the log. */
  readonly logLines: number;
}

export class RefusedRequest implements EndedInvocation {
  readonly isListed = false;
  readonly id: string;
  readonly gas = 0;
  readonly durationMs = 0;
  readonly bytesIn = 0;
  readonly bytesOut = 0;
  readonly traceId = null;
  readonly status: number;
  readonly outcome: ErrorCode;
  readonly isOfPlatform: boolean;
  readonly nowMs: number;
  readonly logLines: number;
  readonly keeping: RecordKeeping;
  readonly #options: RefusedRequestOptions;

  constructor(options: RefusedRequestOptions) {
    this.#options = options;
    this.id = options.id;
    this.outcome = options.code;
    this.isOfPlatform = options.isOfPlatform;
    this.status = options.status;
    this.nowMs = options.nowMs;
    this.logLines = options.logLines;
    // Refusals without log lines are sampled: a flood of refused requests must not fill the owner's list.
    this.keeping = options.logLines === 0 ? 'sampled' : 'logged';
  }

  record(): PendingInvocationRecord {
    const { id, deployment, method, path, status, code, wallMs, logLines } = this.#options;
    return {
      id,
      handlerId: deployment.spec.handlerId,
      deployment: deployment.spec.number,
      startedMs: wallMs,
      durationMs: 0,
      method,
      path,
      status,
      outcome: code,
      gas: 0,
      memoryPages: 0,
      bytesIn: 0,
      bytesOut: 0,
      syscalls: {},
      io: {},
      logLines,
    };
  }
}
