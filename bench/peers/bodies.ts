/**
 * Bare Koa with the answers of the guests that have large bodies: /echo gives the request's body back while it
 * arrives, /stream 1 MiB in 16 parts. As a program it is the server and prints its port; `koaBodies` starts it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import Koa from 'koa';
import type { Peer } from './peers.ts';

const part = Buffer.alloc(64 * 1024);
const parts = 16;

export async function koaBodies(): Promise<Peer> {
  const child = spawn(process.execPath, [import.meta.filename], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { NODE_ENV: 'production' },
  });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${String(port).trim()}/`,
    stop: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

function* streamed(): Generator<Buffer> {
  for (let i = 0; i < parts; i++) yield part;
}

if (import.meta.main) {
  const app = new Koa();
  // Load generators hang up in the middle of answers when their time is over.
  app.silent = true;
  app.use((ctx) => {
    ctx.body = ctx.path === '/echo' ? ctx.req : Readable.from(streamed(), { objectMode: false });
  });
  const server = createServer(app.callback());
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
}
