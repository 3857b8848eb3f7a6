import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { cleanUp, httpServer, listen, tcpServer } from '../../../support/net.ts';

afterEach(cleanUp);

it('every scheme works under the runner’s permissions: network, and reading the program only', async () => {
  const http = await httpServer((_request, response) => response.end('over http'));
  const tcp = await tcpServer((socket) => socket.end('over tcp'));
  const web = (await import('node:http')).createServer();
  new WebSocketServer({ server: web }).on('connection', (socket) => {
    socket.send('over ws');
    socket.close();
  });
  const ws = await listen(web);
  const root = join(import.meta.dirname, '../../../..');
  const child = spawn(
    process.execPath,
    [
      '--permission',
      '--allow-net',
      `--allow-fs-read=${root}/`,
      join(import.meta.dirname, '../../../support/permission-child.ts'),
      http,
      ws,
      tcp,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  expect(JSON.parse(await text(child.stdout))).toEqual({
    http: expect.stringMatching(/^HTTP\/1\.1 200 OK[\s\S]*over http$/),
    ws: 'over ws',
    tcp: 'over tcp',
    // A server without TLS: the handshake fails where TLS itself works.
    tls: expect.stringMatching(/^tcp\+tls: TLS with .* failed: /),
    name: expect.stringMatching(/^tcp: cannot resolve name\.invalid: /),
  });
});
