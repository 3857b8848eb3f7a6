/**
 * Requests of one connection that come while earlier ones are unanswered. Node hands over all that stand in a
 * chunk of 64 KiB (some 1,400) within one turn of the event loop; a few hundred such connections would hold
 * the loop for so long that the watchdog ends the runner and everybody's calls with it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { connectionLimits } from './limits.ts';

const behind: unique symbol = Symbol('requests behind an unanswered one');

interface CountedSocket extends Socket {
  [behind]?: number;
}

/** Returns false where the request is not to be answered: its connection is closed by now. */
export function isWithinPipeline(request: IncomingMessage, response: ServerResponse): boolean {
  const socket: CountedSocket = request.socket;
  if (socket.destroyed) return false;
  // A response gets its socket at once unless others are before it: that is every request of common clients.
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
