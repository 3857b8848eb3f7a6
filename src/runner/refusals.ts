/** Keeps records of requests that are refused before a function runs. */
import { PlatformError } from '../protocol/errors.ts';
import { recordedPath } from '../protocol/request-lines.ts';
import { previewMark } from './invocation-log.ts';
import { refusalReportMs } from './limits.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import { RefusedRequest } from './refused-request.ts';
import type { RunnerServices } from './services.ts';

/** Refusal that may be a version's own doing, unlike other overloads: its instances may take all that there is. */
export const noMemory = 'No memory is left for another invocation.';

export class Refusals {
  readonly #services: RunnerServices;
  /** Monotonic milliseconds of the last reported refusal; later ones are only counted. */
  #reportedMs = Number.NEGATIVE_INFINITY;
  /** Number of refusals since then. */
  #unreported = 0;

  constructor(services: RunnerServices) {
    this.#services = services;
  }

  /** Keeps a record for the id of a refusal: in the owner's list, or for the operator when there is no owner. */
  keep(
    { code, status, message }: PlatformError,
    refusal: {
      readonly id: string;
      readonly method: string;
      readonly path: string;
      readonly target: string;
      /** Deployment whose caller was refused; null: there is none, or the Invocation `id` has a record of its own. */
      readonly deployment: LoadedDeployment | null;
    },
  ): void {
    const { usage, requests, clock, report } = this.#services;
    const { id, method, path, target, deployment } = refusal;
    const nowMs = performance.now();
    if (deployment !== null) {
      // `trapped` has written its reason to the log.
      const logLines = code === 'trapped' ? 1 : 0;
      const { handlerId, number, requestLines } = deployment.spec;
      const recorded = recordedPath(path, target, requestLines);
      const isOfPlatform = (code === 'overloaded' && message !== noMemory) || code === 'suspended';
      const times = { wallMs: clock.wallMs(), nowMs };
      const facts = { id, method, path: recorded, status, code, isOfPlatform, deployment, logLines, ...times };
      usage.add(deployment.usage, new RefusedRequest(facts));
      requests.add({
        source: { handlerId, deployment: number, invocation: id, ...previewMark(deployment.spec) },
        ...{ settings: requestLines, seq: logLines + 1, method, target, status, outcome: code },
        ...{ durationMs: 0, gas: 0, bytesIn: 0, bytesOut: 0 },
      });
      return;
    }
    // A proxy follows it: no call has failed, and nobody has called what does not exist.
    if (code === 'misdirected') return;
    this.#services.counters.strayRequests += 1;
    if (nowMs - this.#reportedMs < refusalReportMs) {
      this.#unreported += 1;
      return;
    }
    const unreported = this.#unreported;
    this.#reportedMs = nowMs;
    this.#unreported = 0;
    report('a request was refused', { invocation: id, code, status, method, path: path.slice(0, 256), unreported });
  }

  /** Reports a fault of the platform to its operator. `invocation`: the id that the caller was told. */
  report(error: unknown, invocation: string): void {
    const cause = error instanceof PlatformError ? error.cause : error;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.#services.report('an invocation failed on our side', { invocation, error: text });
  }
}
