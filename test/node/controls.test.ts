/** What a node asks of controls, where the controls are servers of this test. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { encodeMessage } from '../../src/bus/codec.ts';
import { kinds } from '../../src/bus/messages.ts';
import { Controls } from '../../src/node/controls.ts';
import { nodeLimits } from '../../src/node/limits.ts';
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { HandlerId } from '../../src/protocol/names.ts';

/** Starts a control that answers with `answer`. Returns its URL. */
async function control(answer: (path: string, response: ServerResponse) => void): Promise<string> {
  const server = createServer((asked, response) => {
    asked.on('end', () => answer(asked.url!, response)).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function controlsAt(urls: readonly string[]): Controls {
  const controls = new Controls({ urls, token: 'token', onContact: () => undefined, onRefused: () => undefined });
  onTestFinished(() => controls.close());
  return controls;
}

it('bounds the requests that wait for a control; each that has ended, answered or refused, makes room for one', async () => {
  const held: ServerResponse[] = [];
  let isHolding = true;
  let count = 0;
  const answer = (response: ServerResponse): void => {
    count += 1;
    if (count % 2 === 0) {
      response.end(encodeMessage(kinds.reply, { ok: true, value: null }));
    } else {
      response.writeHead(404, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ code: 'not_found', detail: 'there is none' }));
    }
  };
  const url = await control((_path, response) => {
    if (isHolding) held.push(response);
    else answer(response);
  });
  const controls = controlsAt([url]);
  const ask = (): Promise<string> =>
    controls.request({ op: 'call.show', handlerId: 'otter' as HandlerId, id: 'call' }).then(
      () => 'answered',
      (error: unknown) => (error as PlatformError).message,
    );
  const asked = Array.from({ length: nodeLimits.requests }, ask);
  expect(await ask()).toBe('too many requests wait for a control');
  isHolding = false;
  for (const response of held) answer(response);
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['answered', 'there is none']));
  const again = await Promise.all(Array.from({ length: nodeLimits.requests }, ask));
  expect(new Set(again)).toEqual(new Set(['answered', 'there is none']));
});
