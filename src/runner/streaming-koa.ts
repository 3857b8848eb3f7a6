/**
 * Koa without the two steps that an answer streamed past it does not need: `respond()` and the
 * listeners that on-finished puts on every response and socket to report aborted ones (the server
 * watches its connections itself, once each). They cost a twentieth of a hello.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import Koa from 'koa';

type Composed = (context: Koa.Context) => Promise<void>;

export class StreamingKoa extends Koa {
  /** Returns a request listener for middleware that sets `ctx.respond = false` and never throws. */
  handler(): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
    // Koa 3 keeps koa-compose there; its types do not say so.
    const { compose } = this as unknown as { compose(middleware: readonly Koa.Middleware[]): Composed };
    const run = compose(this.middleware);
    return (request, response) => {
      const context = this.createContext(request, response);
      return run(context as unknown as Koa.Context).catch((error: unknown) => this.#failed(error, response));
    };
  }

  /** Ends a request after our own mistake: nothing is answered twice, nobody is left waiting. */
  #failed(error: unknown, response: ServerResponse): void {
    this.emit('error', error);
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
}
