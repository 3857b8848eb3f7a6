/** An echo that answers part by part. */
import { connect } from 'node:net';
import { expect } from 'vitest';

/**
 * Sends three chunks of a body to `path`, each when the answer has brought the one before, then the end. Fails unless
 * the answer brings them so, and ends after the body.
 */
export async function expectEachPart(port: number, path: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.setEncoding('latin1');
  let answer = '';
  const parts = socket[Symbol.asyncIterator]();
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`);
  for (const part of ['one', 'two', 'three']) {
    socket.write(`${part.length}\r\n${part}\r\n`);
    while (!answer.includes(`\r\n${part}\r\n`)) {
      const { done, value } = await parts.next();
      if (done === true) throw new Error(`the answer has ended: ${answer}`);
      answer += String(value);
    }
  }
  expect(answer).not.toContain('\r\n0\r\n');
  socket.write('0\r\n\r\n');
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) answer += String(next.value);
  expect(answer.endsWith('\r\n0\r\n\r\n')).toBe(true);
}
