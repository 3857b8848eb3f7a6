/** Waits on the network, never longer than a limit and never longer than the invocation lives. */
import type { Socket } from 'node:net';
import { Errno } from '../errno.ts';
import { NetworkFailure } from './failure.ts';

/** Waits for `event` of the socket. Throws the socket's error, or NetworkFailure timedOut or closed. */
export function settled(
  socket: Socket,
  event: string,
  signal: AbortSignal,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const happened = new Promise<void>((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('close', () => reject(new NetworkFailure(Errno.closed, `${what}: the connection was closed`)));
    // The listener stays for the life of the socket: an error after its last use must not be unhandled.
    socket.on('error', reject);
  });
  return inTime(happened, signal, timeoutMs, what);
}

/**
 * Returns the result of `promise`. Throws NetworkFailure timedOut after `timeoutMs`, closed when `signal` is aborted.
 */
export function inTime<T>(promise: Promise<T>, signal: AbortSignal, timeoutMs: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      stop();
      reject(aborted(what));
    };
    const timer = setTimeout(() => {
      stop();
      reject(new NetworkFailure(Errno.timedOut, `${what}: no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    promise.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
  });
}

export function aborted(what: string): NetworkFailure {
  return new NetworkFailure(Errno.closed, `${what}: given up, the invocation has ended`);
}
