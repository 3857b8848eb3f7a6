/** What the caller of a failed call gets: a problem, or a connection that breaks off. */
import type { ServerResponse } from 'node:http';
import { PlatformError } from '../protocol/errors.ts';
import type { Failure } from './failure.ts';
import type { FunctionCall } from './function-call.ts';
import { admission } from './limits.ts';
import { answerProblem } from './problem-answer.ts';

/**
 * Answers with the problem of `failure` and returns its status. No byte of another answer may have been sent.
 * `isBegun`: whether the guest has begun an answer; functions with CGI always have. A component's caller that gets none
 * of it is told `no_answer` for a trap: the trap itself stands in log and outcome.
 */
export function answerFailure(
  { response, id, cookie }: Pick<FunctionCall, 'response' | 'id' | 'cookie'>,
  failure: Failure,
  { isBegun }: { readonly isBegun: boolean },
): number {
  const code = failure.code === 'trapped' && !isBegun ? 'no_answer' : failure.code;
  const isPassing = failure.code === 'overloaded' || failure.code === 'unavailable';
  const retry = isPassing ? { retryAfterSeconds: admission.retryAfterSeconds } : {};
  return answerProblem(response, new PlatformError(code, failure.detail, retry), id, cookie);
}

/** Destroys the connection: with HTTP/1.0 a normal end would look like the end of the body. */
export function breakOff(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || !('resetAndDestroy' in socket)) response.destroy();
  else socket.resetAndDestroy();
}
