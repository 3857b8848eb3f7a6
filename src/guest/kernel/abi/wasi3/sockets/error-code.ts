/** The error codes of wasi:sockets 0.3 and their counterparts in 0.2. */
import { option, variant } from '../../../../component/wit.ts';
import { type Err, err, type Ok } from '../../../canonical/row.ts';

const codes = [
  'access-denied',
  'not-supported',
  'invalid-argument',
  'out-of-memory',
  'timeout',
  'invalid-state',
  'address-not-bindable',
  'address-in-use',
  'remote-unreachable',
  'connection-refused',
  'connection-broken',
  'connection-reset',
  'connection-aborted',
  'datagram-too-large',
] as const;

export const errorCodeType = variant({
  ...Object.fromEntries(codes.map((code) => [code, null])),
  other: option('string'),
});

export interface SocketError {
  readonly tag: string;
  readonly value?: string;
}

/** Returns the error of a code of 0.2. */
export function toError(code: string): SocketError {
  if ((codes as readonly string[]).includes(code)) return { tag: code };
  return code === 'not-in-progress' || code === 'would-block' || code === 'concurrency-conflict'
    ? { tag: 'invalid-state' }
    : { tag: 'other', value: code };
}

/** Returns the result of a function of 0.2 with its error as a case. */
export function toResult(result: unknown): Ok<unknown> | Err<SocketError> {
  // Rows of 0.2 return results.
  const { tag, value } = result as { readonly tag: 'ok' | 'err'; readonly value: unknown };
  return tag === 'ok' ? { tag, value } : err(toError(value as string)); // their errors are labels
}
