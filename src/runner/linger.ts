/**
 * Reads the part of a request that a function has left unread, so that the connection can be used again, and so that a
 * client that is still sending gets the answer instead of a reset.
 *
 * answered --body is complete--> nothing to do
 * |
 * +--body is not complete--> lingering --end of the body--> the connection lives on
 * |                          (is closed now, if the answer was its last)
 * +--limits, client goes--> closed
 *
 * A call leaves no listeners or timers on its connection: connections live for millions of calls.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { connectionLimits } from './limits.ts';

const unread: unique symbol = Symbol('answered request whose body is still arriving');

const whole: unique symbol = Symbol('request whose body has been read to its last byte');

interface LingeringSocket extends Socket {
  [unread]?: IncomingMessage;
}

interface ReadRequest extends IncomingMessage {
  [whole]?: true;
}

/**
 * Says that the last byte of the body has been read. http reports the body's completion after that, when the function
 * may have answered already: then nothing is left to wait for.
 */
export function bodyIsWhole(request: IncomingMessage): void {
  (request as ReadRequest)[whole] = true;
}

/** Prepares a new connection; called once for each. */
export function lingerBeforeClose(socket: Socket): void {
  socket.destroySoon = destroySoonUnlessUnread;
}

/**
 * Prepares a call whose request has a body. Must run before the response can finish.
 */
export function lingerAfterAnswer(request: IncomingMessage, response: ServerResponse): void {
  // Runs before http's own listener, which closes the connection after its last answer.
  response.prependOnceListener('finish', () => {
    if (request.readableEnded || request.destroyed) return;
    if (!request.complete && (request as ReadRequest)[whole] === undefined) watchUnread(request);
    // Drops unread bytes that have arrived; otherwise the request would never end and close.
    request.resume();
  });
}

/**
 * Replaces Socket.destroySoon, which http calls after a connection's last answer: with unread input it ends only the
 * sending side, since closing would send a reset.
 */
function destroySoonUnlessUnread(this: LingeringSocket): void {
  if (this[unread] === undefined || this.destroyed) Socket.prototype.destroySoon.call(this);
  else this.end();
}

/**
 * Destroys the connection if the rest of the body is longer than connectionLimits.lingerBytes or takes longer than
 * lingerMs. The rest of a chunked body may be empty: http reports its last byte before its completion.
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
  // http does not report the end of the connection to an answered request.
  socket.on('close', done);
}
