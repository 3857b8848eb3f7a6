/**
 * Bare node:http and bare Koa with the answer of the hello guest, and Koa with the answers of the guests that
 * have large bodies: /echo gives the request's body back while it arrives, /stream 1 MiB in 16 parts.
 * Argument: `http`, `koa` or `bodies`. Prints the port.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import Koa from 'koa';

const text = 'Hello, world!\n';
const part = Buffer.alloc(64 * 1024);
const parts = 16;

function* streamed(): Generator<Buffer> {
  for (let i = 0; i < parts; i++) yield part;
}

function listener(kind: string | undefined): RequestListener {
  if (kind === 'koa') {
    const app = new Koa();
    app.use((ctx) => {
      // For comparison with invocations that wait: only the connection is held.
      if (ctx.path === '/wait') return new Promise(() => {});
      ctx.type = 'text/plain';
      ctx.body = text;
      return undefined;
    });
    return app.callback();
  }
  if (kind === 'bodies') {
    const app = new Koa();
    // Load generators hang up in the middle of answers when their time is over.
    app.silent = true;
    app.use((ctx) => {
      ctx.body = ctx.path === '/echo' ? ctx.req : Readable.from(streamed(), { objectMode: false });
    });
    return app.callback();
  }
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'content-length': text.length });
    response.end(text);
  };
}

const server = createServer(listener(process.argv[2]));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
