/** Describes the end of a Process: briefly for the function's caller, in full for its owner in the log. */
import type { ProcessEnd } from '../guest/kernel/process-end.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import { type LimitName, limitKeyOf } from '../protocol/limits.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';

export interface Failure {
  readonly code: ErrorCode;
  /** Text for the caller, which tells nothing of the function's inside. */
  readonly detail: string;
  /** Text for the owner: what happened and what to do about it. */
  readonly log: string;
}

/** Reason for which the platform ends a Process, with the answer to its caller. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a failure says of the Deployment: its limits, and who has set them. */
export type FailedSpec = Pick<DeploymentSpec, 'handler' | 'limits' | 'limitsSet'>;

/** Returns what failed; null for an end that is no failure: exit with output, or an exit with status 0. */
export function failureOf(end: ProcessEnd, hasOutput: boolean, spec: FailedSpec): Failure | null {
  switch (end.kind) {
    case 'exit':
      if (end.status === 0 || hasOutput) return null;
      return {
        code: 'exited',
        detail: 'The function exited with an error and without output.',
        log: `exited with status ${end.status} and without output; a status other than 0 says that it failed`,
      };
    case 'trap':
      return {
        code: 'trapped',
        detail: 'The function trapped.',
        log: `trapped: ${end.message}; to see every system call before it, run the module with wasmcloud run --trace`,
      };
    case 'policy':
      return {
        code: 'policy_violation',
        detail: 'The function tried to open what its policy forbids.',
        log: `ended by its policy at ${end.url} (${end.rule}); if it may open this, allow it in the manifest's [policy]`,
      };
    case 'gas':
      return {
        code: 'out_of_gas',
        detail: 'The function used up its gas.',
        log: `out of gas: ${end.used} of ${end.limit} used; look for an endless loop, or raise ${placeOf('gas', spec)}`,
      };
    case 'deadline':
      return {
        code: 'deadline_exceeded',
        detail: 'The function did not finish in time.',
        log: `not finished after ${end.timeoutMs} ms; look for what it waits for, or raise ${placeOf('timeoutMs', spec)}`,
      };
    case 'aborted':
      return {
        code: 'unavailable',
        detail: 'The function was ended by the platform.',
        log: `ended by the platform: ${end.message}`,
      };
    case 'internal':
      return {
        code: 'internal',
        detail: 'Something failed on our side; the log has the cause.',
        log: `failed on the platform's side: ${end.cause instanceof Error ? end.cause.message : String(end.cause)}`,
      };
  }
}

/** Returns the failure of a call that the runner has ended for the reason `code`. `spec`: of the function. */
export function refused({ code, message }: Refusal, spec: FailedSpec): Failure {
  switch (code) {
    case 'no_answer':
      return {
        code,
        detail: 'The function gave no answer.',
        log: `no answer: ${message}`,
      };
    case 'bad_cgi_output':
      return {
        code,
        detail: 'The function wrote something that is no CGI answer.',
        log: `bad output: ${message}; an answer is header lines, an empty line, the body`,
      };
    case 'body_too_large':
      return {
        code,
        detail: `The request's body is larger than ${spec.limits.bodyBytes} bytes.`,
        log: `${message}; to allow more, raise ${placeOf('bodyBytes', spec)}`,
      };
    case 'cancelled':
      return { code, detail: 'The call was ended by the owner of the function.', log: message };
    default:
      return { code, detail: 'The function cannot be run now.', log: message };
  }
}

/** Says where a limit stands: in the manifest, or in the settings that win over it. */
function placeOf(name: LimitName, { handler, limitsSet = [] }: FailedSpec): string {
  const key = limitKeyOf(name);
  return limitsSet.includes(name)
    ? `it with wasmcloud limits ${handler} --${key}`
    : `${key} in the manifest's [limits]`;
}
