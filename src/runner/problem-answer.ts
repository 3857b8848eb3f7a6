/** What the platform itself answers: RFC 9457 problem+json with a stable code. */
import type { ServerResponse } from 'node:http';
import { type PlatformError, toProblem } from '../protocol/errors.ts';

/** Answers and returns the status. Nothing may have been sent before. */
export function answerProblem(response: ServerResponse, error: PlatformError, invocation: string): number {
  const problem = toProblem(error, invocation);
  const body = JSON.stringify(problem);
  const headers = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(Buffer.byteLength(body)),
    'trisiel-invocation',
    invocation,
  ];
  if (error.retryAfterSeconds !== undefined) headers.push('retry-after', String(error.retryAfterSeconds));
  // What is left of a body that is too large would be read for nothing.
  if (error.code === 'body_too_large' || error.code === 'bad_request') headers.push('connection', 'close');
  response.writeHead(problem.status, headers);
  response.end(body);
  return problem.status;
}
