/**
 * Reads on what a function has left unread of its request, so that the connection can be used again, and so
 * that a client that still sends gets the answer instead of a reset.
 *
 *     answered --body is complete--> nothing to do
 *        |
 *        +--body is not complete--> lingering --end of the body--> the connection lives on
 *                                       |                          (is closed now, where the answer was its last)
 *                                       +--limits, client goes--> closed
 *
 * A call leaves nothing behind on its connection: connections live for millions of calls.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { connectionLimits } from './limits.ts';

const unread: unique symbol = Symbol('answered request whose body is still arriving');

interface LingeringSocket extends Socket {
  [unread]?: IncomingMessage;
}

/** Prepares a new connection: once in its life. */
export function lingerBeforeClose(socket: Socket): void {
  socket.destroySoon = destroySoonUnlessUnread;
}

/**
 * Prepares a call whose request has a body. Must run before the response can finish.
 */
export function lingerAfterAnswer(request: IncomingMessage, response: ServerResponse): void {
  // Before http's own listener, which closes the connection after its last answer.
  response.prependOnceListener('finish', () => {
    if (request.readableEnded || request.destroyed) return;
    if (!request.complete) watchUnread(request);
    // What has arrived and was not read is thrown away. Without this the request would never end and close.
    request.resume();
  });
}

/**
 * Takes the place of Socket.destroySoon, which http calls when an answer was its connection's last: where input is
 * unread, it ends the sending side only, since closing would send a reset.
 */
function destroySoonUnlessUnread(this: LingeringSocket): void {
  if (this[unread] === undefined || this.destroyed) Socket.prototype.destroySoon.call(this);
  else this.end();
}

/**
 * Destroys the connection if the rest of the body is longer than connectionLimits.lingerBytes or takes longer than
 * lingerMs. The rest may be nothing: http tells of a body's last byte before it tells that the body is complete.
 */
function watchUnread(request: IncomingMessage): void {
  const socket: LingeringSocket = request.socket;
  socket[unread] = request;
  let bytes = 0;
  const timer = setTimeout(() => socket.destroy(), connectionLimits.lingerMs);
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > connectionLimits.lingerBytes) socket.destroy();
  });
  const done = (): void => {
    clearTimeout(timer);
    socket.off('close', done);
    request.off('end', done);
    if (socket[unread] === request) delete socket[unread];
    if (socket.destroyed) request.destroy();
    else if (socket.writableEnded) socket.destroy();
  };
  request.on('end', done);
  // http does not tell an answered request of its connection's end.
  socket.on('close', done);
}
