/**
 * Bounds the requests of one connection that arrive while earlier ones are unanswered. Node delivers all requests of a
 * chunk of 64 KiB (some 1,400) within one turn of the event loop; a few hundred such connections would hold the loop
 * until the watchdog ends the runner with everybody's calls.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { connectionLimits } from './limits.ts';

const behind: unique symbol = Symbol('requests behind an unanswered one');

interface CountedSocket extends Socket {
  /** Number of requests that wait for the answer to an earlier one. */
  [behind]?: number;
}

/** Returns false when the request must not be answered: its connection is closed by now. */
export function isWithinPipeline(request: IncomingMessage, response: ServerResponse): boolean {
  const socket: CountedSocket = request.socket;
  if (socket.destroyed) return false;
  // A response has its socket at once unless earlier requests are unanswered, which common clients never have.
  if (response.socket !== null) return true;
  const count = (socket[behind] ?? 0) + 1;
  if (count > connectionLimits.pipelined) {
    socket.destroy();
    return false;
  }
  socket[behind] = count;
  response.once('finish', () => {
    socket[behind] = (socket[behind] ?? 1) - 1;
  });
  return true;
}
