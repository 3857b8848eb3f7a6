/** Answers requests whose body is still arriving: a refusal does not wait for the end of an upload. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export const earlyAnswerLimits = {
  /** Milliseconds for which the rest of a body is read and dropped. */
  lingerMs: 5_000,
} as const;

/**
 * Sends the answer, whose head is set, and ends the connection. The connection stays open until the client has stopped
 * sending, or for `lingerMs`: closing it with unread bytes resets it, which may discard the answer (RFC 9112, 9.6).
 */
export function answerEarly(request: IncomingMessage, response: ServerResponse, body: string): void {
  // The client has gone.
  if (response.destroyed) return;
  response.setHeader('connection', 'close');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.write(body);
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), earlyAnswerLimits.lingerMs);
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  request.once('end', finish);
  response.once('close', finish);
  request.resume();
}
