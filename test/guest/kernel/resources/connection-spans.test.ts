import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { ProcessTrace } from '../../../../src/guest/kernel/process-trace.ts';
import { cleanUp, onCleanUp, open, opened, tcpServer, world } from '../../../support/net.ts';

afterEach(cleanUp);

/** Parts of a trace as they end. */
function recordingTrace() {
  const ended: { readonly name: string; readonly attributes: object; readonly error: string | null }[] = [];
  const trace: ProcessTrace = {
    begin: ({ name, attributes }) => ({
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      tracestate: 'vendor=1',
      end: (error) => ended.push({ name, attributes, error }),
    }),
  };
  return { trace, ended };
}

it('a TCP connection is a part of the trace, also one that fails', async () => {
  const at = await tcpServer((socket) => socket.pipe(socket));
  const { trace, ended } = recordingTrace();
  const process = world([at]).process(undefined, trace);
  await opened(process, `tcp://${at}`);
  const attributes = { 'server.address': '127.0.0.1', 'server.port': Number(at.split(':')[1]) };
  expect(ended).toEqual([{ name: 'connect', attributes, error: null }]);
  expect(await open(process, 'tcp://127.0.0.1:1')).toBeTypeOf('number');
  expect(ended[1]).toMatchObject({ name: 'connect', error: expect.any(String) });
});

it('a WebSocket is a part of the trace, of which its server is told; nothing of its path is', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  onCleanUp(async () => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  });
  await once(server, 'listening');
  const asked = once(server, 'connection');
  const { port } = server.address() as AddressInfo;
  const at = `127.0.0.1:${port}`;
  const { trace, ended } = recordingTrace();
  await opened(world([at]).process(undefined, trace), `ws://${at}/secret?secret`);
  const attributes = { 'server.address': '127.0.0.1', 'server.port': port };
  expect(ended).toEqual([{ name: 'websocket', attributes, error: null }]);
  const [, request] = await asked;
  expect(request.headers).toMatchObject({
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    tracestate: 'vendor=1',
  });
});
