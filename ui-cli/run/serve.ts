/** `wasmcloud run --serve PORT`: answers HTTP requests with a component, each in a Process of its own. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpField, IncomingHttp } from '../../src/guest/kernel/incoming-http.ts';
import { connectionFields } from '../../src/guest/kernel/net/connection-fields.ts';
import type { Resource } from '../../src/guest/kernel/resource.ts';
import { nullResource } from '../../src/guest/kernel/resources/null.ts';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';
import { bodiless } from './http.ts';
import { StreamSink, StreamSource } from './streams.ts';

/** Fields of the connection, which only the server sets. */
const ofConnection: ReadonlySet<string> = new Set([...connectionFields, 'host', 'te', 'trailer']);

class ServedAnswer implements IncomingHttp {
  readonly scheme = 'http';
  readonly body: Resource;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #isEnded = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.body = new StreamSource(() => request);
  }

  get method(): string {
    return this.#request.method ?? 'GET';
  }

  get authority(): string | null {
    return this.#request.headers.host ?? null;
  }

  get pathWithQuery(): string {
    return this.#request.url ?? '/';
  }

  get fields(): readonly HttpField[] {
    return fieldsOf(this.#request.rawHeaders);
  }

  trailers(): readonly HttpField[] {
    return fieldsOf(this.#request.rawTrailers);
  }

  inform(status: number, fields: readonly HttpField[]): void {
    const headers: Record<string, string[]> = Object.create(null);
    for (const [name, value] of sent(fields)) {
      headers[name] ??= [];
      headers[name].push(value);
    }
    this.#response.writeInformation(status, headers);
  }

  answer(status: number, fields: readonly HttpField[]): Resource {
    this.#response.writeHead(status, sent(fields).flat());
    this.#response.flushHeaders();
    // Node.js sends no body where HTTP has none, but for 205.
    return bodiless.includes(status) ? nullResource : new StreamSink('stdout', this.#response);
  }

  end(trailers: readonly HttpField[]): void {
    this.#isEnded = true;
    if (this.#response.chunkedEncoding) this.#response.addTrailers(sent(trailers));
    this.#response.end();
  }

  breakOff(): void {
    this.#response.destroy();
  }

  fail(error: string): void {
    this.#refuse(`the component answered with the error ${error}`);
  }

  /** Ends an answer that the component has left open. `why` says how the component ended. */
  finish(why: string): void {
    if (this.#isEnded) return;
    if (this.#response.headersSent) this.#response.destroy();
    else this.#refuse(why);
  }

  #refuse(text: string): void {
    this.#isEnded = true;
    this.#response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
    this.#response.end(`${text}\n`);
  }
}

function fieldsOf(raw: readonly string[]): HttpField[] {
  const fields: HttpField[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (!ofConnection.has(name)) fields.push([name, Buffer.from(raw[i + 1] as string, 'latin1')]);
  }
  return fields;
}

function sent(fields: readonly HttpField[]): [string, string][] {
  return fields
    .filter(([name]) => !ofConnection.has(name))
    .map(([name, value]) => [name, Buffer.from(value).toString('latin1')]);
}

export interface ServeOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly signal: AbortSignal;
  /**
   * Runs the component for one request, until `gone` is aborted: the client has left before it had the answer. Resolves
   * to a text about its end.
   */
  readonly run: (http: IncomingHttp, gone: AbortSignal) => Promise<string>;
  /** Writes a line for the user. */
  readonly tell: (line: string) => void;
}

/** Serves on the loopback until `signal` is aborted. Throws PlatformError `bad_request` for a port that is taken. */
export async function serve({ port, signal, run, tell }: ServeOptions): Promise<void> {
  const server = createServer((request, response) => {
    const http = new ServedAnswer(request, response);
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    response.on('error', () => gone.abort());
    void run(http, AbortSignal.any([gone.signal, signal])).then(
      (why) => http.finish(why),
      (error: unknown) => http.finish(messageOf(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new PlatformError('bad_request', `port ${port} cannot be opened: ${cause.message}`, { cause })),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  const heard = server.address() as AddressInfo; // it listens on a port, not on a socket file
  tell(`listening on http://127.0.0.1:${heard.port}/`);
  await new Promise<void>((resolve) => {
    server.once('close', () => resolve());
    const stop = (): void => {
      server.close();
      server.closeAllConnections();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
