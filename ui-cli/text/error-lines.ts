import type { PlatformError } from '../../src/protocol/errors.ts';
import { ServerError } from '../client/http.ts';
import { visible } from './visible.ts';

/** Returns the lines of an error: what failed, why, what to do, and the id for questions. */
export function errorLines(error: PlatformError): string[] {
  const id = error instanceof ServerError ? error.requestId : null;
  return [
    `error: ${visible(error.message)}`,
    ...error.details.map((detail) => `       ${visible(detail)}`),
    ...error.hints.map((hint) => `hint: ${visible(hint)}`),
    ...(error.retryAfterSeconds === undefined ? [] : [`hint: try again in ${error.retryAfterSeconds} s`]),
    ...(error.code === 'unauthorized' && error.hints.length === 0 && !error.message.includes('wasmcloud login')
      ? ['hint: log in first: wasmcloud login']
      : []),
    ...(id === null ? [] : [`request: ${visible(id)}`]),
  ];
}

/** Returns the same facts as an object, for `--json`. */
export function errorJson(error: PlatformError): object {
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(error.hints.length > 0 ? { hints: error.hints } : {}),
      ...(error.details.length > 0 ? { details: error.details } : {}),
      ...(error instanceof ServerError && error.requestId !== null ? { request: error.requestId } : {}),
    },
  };
}

/** Returns the hint below a command that cannot be read. */
export function helpHint(command: string): string {
  return `hint: wasmcloud help ${command} shows what it takes`;
}
