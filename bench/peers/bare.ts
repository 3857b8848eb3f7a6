/** Bare node:http and bare Koa with the answer of the hello guest. Argument: `http` or `koa`. Prints the port. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';

const text = 'Hello, world!\n';

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
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'content-length': text.length });
    response.end(text);
  };
}

const server = createServer(listener(process.argv[2]));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
