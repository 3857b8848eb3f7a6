/** What a call leaves on its connection, which lives for many of them. */
import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { connectionLimits } from '../../src/runner/limits.ts';
import { bodyIsWhole, lingerAfterAnswer, lingerBeforeClose } from '../../src/runner/linger.ts';

/**
 * Sends one POST to a server that reads its body and answers in the turn in which the body came. Returns whether http
 * had reported the body's completion by then, and the listeners that the answer has left on the connection.
 */
async function post(read: (asked: IncomingMessage) => void) {
  const answered = Promise.withResolvers<{ isComplete: boolean; listeners: number }>();
  const handle = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const { socket } = asked;
    lingerAfterAnswer(asked, answer);
    answer.once('finish', () => {
      answered.resolve({ isComplete: asked.complete, listeners: socket.listenerCount('close') });
    });
    await Promise.resolve();
    read(asked);
    answer.end('read');
  };
  const server = createServer((asked, answer) => void handle(asked, answer));
  const outgoing = await postTo(server);
  outgoing.end('a whole body');
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  // The connection is closed, not reset: that would be an error here.
  await once(response, 'close');
  return answered.promise;
}

/** Begins a request with a body to `server`, which lingers, until the test has ended. */
async function postTo(server: Server): Promise<ClientRequest> {
  server.on('connection', lingerBeforeClose);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return request({ host: '127.0.0.1', port, method: 'POST', agent: false });
}

it('a body that has been read to its last byte is not watched, though http has not reported its completion', async () => {
  const watched = await post((asked) => void asked.read());
  const whole = await post((asked) => {
    expect(String(asked.read())).toBe('a whole body');
    bodyIsWhole(asked);
  });
  expect([watched.isComplete, whole.isComplete]).toEqual([false, false]);
  expect(whole.listeners).toBe(watched.listeners - 1);
});

it('a body that nobody wants is read to its bound and no further', async () => {
  const bound = connectionLimits.lingerBytes;
  let bytes = 0;
  const closedAt = Promise.withResolvers<number>();
  const server = createServer((asked, answer) => {
    lingerAfterAnswer(asked, answer);
    answer.once('finish', () =>
      // Comes after the listener that counts: at each chunk it is decided whether the connection goes on.
      asked.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (asked.socket.destroyed !== bytes > bound) closedAt.reject(new Error(`decided otherwise at ${bytes} bytes`));
        if (asked.socket.destroyed) closedAt.resolve(bytes);
      }),
    );
    answer.end('answered before');
  });
  const outgoing = await postTo(server);
  outgoing.on('error', () => undefined); // the reset
  const piece = Buffer.alloc(bound / 4);
  for (let sent = 0; sent <= 2 * bound; sent += piece.length) outgoing.write(piece);
  expect(await closedAt.promise).toBeLessThanOrEqual(bound + piece.length);
});
