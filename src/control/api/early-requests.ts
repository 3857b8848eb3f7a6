/**
 * Keeps requests that come between the moment in which a server listens and the moment in which it can answer. A server
 * without a listener of `request` never answers such a request, and its client waits for ever.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { PlatformError, toProblem } from '../../protocol/errors.ts';

/** Requests that wait for the end of the start; each one holds its connection and its head. */
export const earlyRequestsMax = 500;

export class EarlyRequests {
  readonly #server: Server;
  #waiting: { readonly request: IncomingMessage; readonly response: ServerResponse }[] = [];
  readonly #keep = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#waiting.length < earlyRequestsMax) this.#waiting.push({ request, response });
    else refuse(response);
  };

  /**
   * Keeps the requests of `server`, which does not listen yet, until answer(). Above earlyRequestsMax they get a 503.
   */
  constructor(server: Server) {
    this.#server = server;
    server.on('request', this.#keep);
  }

  /** Passes the requests that wait, in the order in which they came, and all later ones to `listener`. */
  answer(listener: RequestListener): void {
    this.#server.off('request', this.#keep);
    this.#server.on('request', listener);
    const waiting = this.#waiting;
    this.#waiting = [];
    // A client that has gone needs no answer.
    for (const { request, response } of waiting) if (!response.destroyed) void listener(request, response);
  }
}

function refuse(response: ServerResponse): void {
  const problem = toProblem(new PlatformError('unavailable', 'the platform is starting'));
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'retry-after': '1',
    connection: 'close',
  });
  response.end(JSON.stringify(problem));
}
