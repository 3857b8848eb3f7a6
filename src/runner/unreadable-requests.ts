/** Answers, with problem+json, requests that node:http cannot parse or hands over by other events. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { PlatformError } from '../protocol/errors.ts';
import type { InFlight } from './in-flight.ts';
import { connectionLimits } from './limits.ts';
import { answerProblem, problemText } from './problem-answer.ts';

/** Adds the listeners to `server`. `nextId`: returns the id of such an answer. */
export function answerUnreadable(
  server: Server,
  options: { readonly inFlight: InFlight; readonly nextId: () => string },
): void {
  const { inFlight, nextId } = options;
  const answered = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, duplex) => {
    const socket = duplex as Socket; // servers of TCP give sockets
    // The parser reports the same error for all further bytes: reading on drops them, so that no reset hides the
    // answer.
    if (answered.has(socket)) return;
    answered.add(socket);
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const problem = unreadable(error);
    const mayAnswer = inFlight.mayAnswer(socket);
    const id = inFlight.idOn(socket);
    inFlight.abortAll(socket, problem);
    if (!mayAnswer) {
      socket.destroy();
      return;
    }
    socket.end(problemText(problem, id ?? nextId()));
    const timer = setTimeout(() => socket.destroy(), connectionLimits.lingerMs);
    socket.once('close', () => clearTimeout(timer));
  });
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const error = new PlatformError('expectation_failed', 'The only expectation that can be met is 100-continue.');
    answerProblem(response, error, nextId());
  });
  server.on('connect', (_request: IncomingMessage, duplex) => {
    const socket = duplex as Socket; // servers of TCP give sockets
    const error = new PlatformError('method_not_allowed', 'CONNECT asks for a proxy, and this is none.');
    // http has removed its own listeners.
    socket.on('error', () => {});
    socket.end(problemText(error, nextId()));
    socket.destroySoon();
  });
}

function unreadable(error: NodeJS.ErrnoException): PlatformError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new PlatformError(
        'header_too_large',
        `The request's head is larger than ${connectionLimits.headBytes} bytes.`,
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new PlatformError('body_too_large', "The extensions of the body's chunks are too large.");
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new PlatformError('request_timeout', 'The request did not arrive in time.');
    default:
      return new PlatformError('bad_request', 'The request is not valid HTTP/1.1.');
  }
}
