import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createWire, type Socket } from 'node:net';
import { afterAll, afterEach, expect, test } from 'vitest';
import type { PlatformError } from '../../../src/protocol/errors.ts';
import { LogTail, type LogTailOptions } from '../../../ui-cli/client/log-tail.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, line, startControl } from '../../support/ui-cli.ts';

let control: Control;
let token: string;
beforeAttempts(
  async () => {
    control = await startControl();
    token = await control.user('ada');
    await control.handler('swift-otter', 'ada');
  },
  () => control.close(),
);
afterAll(() => control.close());

const open: Recorder[] = [];
afterEach(() => {
  for (const recorder of open.splice(0)) recorder.tail.close();
});

/** A tail whose happenings can be awaited. */
class Recorder {
  readonly texts: string[] = [];
  readonly cursors: number[] = [];
  readonly states: string[] = [];
  readonly missed: (number | null)[] = [];
  dropped = 0;
  failure: PlatformError | null = null;
  readonly tail: LogTail;
  #wake: () => void = () => undefined;

  constructor(options: Partial<LogTailOptions> = {}, target = { server: control.url, token }) {
    const told = (record: () => void) => {
      record();
      this.#wake();
    };
    this.tail = new LogTail(
      target,
      { handler: 'swift-otter', after: 0, backoffMs: 10, ...options },
      {
        lines: (lines) =>
          told(() => {
            this.texts.push(...lines.map(({ text }) => text));
            this.cursors.push(...lines.map(({ cursor }) => cursor));
          }),
        dropped: (count) =>
          told(() => {
            this.dropped += count;
          }),
        state: (state) =>
          told(() => {
            this.states.push(state.kind);
            if (state.kind === 'resumed') this.missed.push(state.missed);
          }),
        failed: (error) =>
          told(() => {
            this.failure = error;
          }),
      },
    );
    open.push(this);
    this.tail.start();
  }

  async until(holds: (recorder: this) => boolean): Promise<void> {
    while (!holds(this)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

test('history and new lines come in one stream', async () => {
  await control.write(line('swift-otter', 'old 1'), line('swift-otter', 'old 2'));
  const recorder = new Recorder();
  await recorder.until(({ texts }) => texts.length === 2);
  await control.write(line('swift-otter', 'new'));
  await recorder.until(({ texts }) => texts.length === 3);
  expect(recorder.texts).toEqual(['old 1', 'old 2', 'new']);
  expect(recorder.states).toEqual(['connecting', 'live']);
});

test('a lost connection is told, and what was written meanwhile comes once, in order', async () => {
  const from = await control.logs.query({ id: await handlerId(), name: 'swift-otter' }, {});
  const recorder = new Recorder({ after: from.cursor });
  await recorder.until(({ states }) => states.includes('live'));
  const expected: string[] = [];
  const write = async (text: string) => {
    expected.push(text);
    await control.write(line('swift-otter', text));
  };
  for (let round = 0; round < 4; round += 1) {
    await write(`before ${round}`);
    await control.pause();
    await recorder.until(({ states }) => states.at(-1) === 'waiting' || states.at(-1) === 'connecting');
    await write(`while away ${round} a`);
    await write(`while away ${round} b`);
    await control.resume();
    await write(`after ${round}`);
    await recorder.until(({ texts, missed }) => texts.length === expected.length && missed.length === round + 1);
  }
  expect(recorder.texts).toEqual(expected);
  expect(new Set(recorder.cursors).size).toBe(expected.length);
  expect(recorder.states).toContain('waiting');
  expect(recorder.missed).toEqual([0, 0, 0, 0]);
  expect(recorder.failure).toBeNull();
});

test('a hundred cut connections under load cost no line and double none', async () => {
  await control.handler('loud', 'ada');
  const { port, hostname } = new URL(control.url);
  let cuts = 0;
  const open = new Set<Socket>();
  // A wire that is cut after some bytes of each answer: in the handshake, between frames, and within them.
  const wire = createWire((inner) => {
    const outer = connect(Number(port), hostname);
    let left = 200 + ((cuts * 7_919) % 30_000);
    outer.on('data', (bytes: Buffer) => {
      if (cuts < 100 && bytes.length >= left) {
        cuts += 1;
        inner.write(bytes.subarray(0, left));
        inner.destroy();
        outer.destroy();
        return;
      }
      left -= bytes.length;
      inner.write(bytes);
    });
    inner.on('data', (bytes) => void outer.write(bytes));
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
  const { port: wirePort } = wire.address() as AddressInfo;
  const recorder = new Recorder({ handler: 'loud', backoffMs: 1 }, { server: `http://127.0.0.1:${wirePort}`, token });
  let written = 0;
  while (cuts < 100) {
    await control.write(...Array.from({ length: 100 }, (_, n) => line('loud', `line ${written + n}`)));
    written += 100;
    // Within what waits for a reader, so that none is dropped.
    await recorder.until(({ texts }) => written - texts.length < 2_000);
  }
  await control.write(line('loud', 'the end'));
  await recorder.until(({ texts }) => texts.at(-1) === 'the end');
  await recorder.until(({ states }) => states.at(-1) === 'resumed');
  expect(recorder.texts).toEqual([...Array.from({ length: written }, (_, n) => `line ${n}`), 'the end']);
  expect(new Set(recorder.missed)).toEqual(new Set([0]));
  expect(recorder.dropped).toBe(0);
  recorder.tail.close();
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => wire.close(resolve));
});

test('a client that comes back to another log does not say that nothing was missed', async () => {
  const recorder = new Recorder({ after: 10 ** 12 });
  await recorder.until(({ states }) => states.includes('live'));
  await control.pause();
  await recorder.until(({ states }) => states.includes('waiting'));
  await control.resume();
  await recorder.until(({ missed }) => missed.length > 0);
  expect(recorder.missed).toEqual([null]);
});

test('fields, a version and a regular expression filter at the server', async () => {
  const { cursor } = await control.logs.query({ id: await handlerId(), name: 'swift-otter' }, {});
  const filter = { field: ['user=42', 'path'], deployment: 1, regex: '^slow (read|write)$' };
  const recorder = new Recorder({ after: cursor, ...filter });
  await recorder.until(({ states }) => states.includes('live'));
  const fields = (user: number) => JSON.stringify({ user, path: '/' });
  await control.write(
    line('swift-otter', 'slow read', { fields: fields(7) }),
    line('swift-otter', 'slow read', { fields: fields(42), deployment: 2 }),
    line('swift-otter', 'slow readers', { fields: fields(42) }),
    line('swift-otter', 'slow read'),
    line('swift-otter', 'slow write', { fields: fields(42) }),
  );
  await recorder.until(({ texts }) => texts.length > 0);
  await control.write(line('swift-otter', 'slow read', { fields: fields(42) }));
  await recorder.until(({ texts }) => texts.length > 1);
  expect(recorder.texts).toEqual(['slow write', 'slow read']);
});

test('level and text filter at the server', async () => {
  const { cursor } = await control.logs.query({ id: await handlerId(), name: 'swift-otter' }, {});
  const recorder = new Recorder({ after: cursor, level: 3, grep: 'NEEDLE' });
  await recorder.until(({ states }) => states.includes('live'));
  await control.write(
    line('swift-otter', 'needle but chatty'),
    line('swift-otter', 'severe', { level: 1 }),
    line('swift-otter', 'severe needle', { level: 1 }),
  );
  await recorder.until(({ texts }) => texts.length > 0);
  expect(recorder.texts).toEqual(['severe needle']);
});

test('lost lines are counted', async () => {
  const recorder = new Recorder();
  await recorder.until(({ states }) => states.includes('live'));
  await control.append([line('swift-otter', 'x')], { 'swift-otter': 12 });
  await recorder.until(({ dropped }) => dropped > 0);
  expect(recorder.dropped).toBe(12);
});

test('a refusal that would stay one ends the tail with its reason', async () => {
  const foreign = new Recorder({ handler: 'not-mine' });
  await foreign.until(({ failure }) => failure !== null);
  expect(foreign.failure).toMatchObject({ code: 'not_found' });

  const nobody = new Recorder({}, { server: control.url, token: 'nonsense' });
  await nobody.until(({ failure }) => failure !== null);
  expect(nobody.failure).toMatchObject({ code: 'unauthorized' });
});

test('a token revoked while the stream is open ends it as an expired login', async () => {
  const second = (await control.accounts.logIn({ name: 'ada', password: 'correct horse', address: '127.0.0.1' })).token;
  const recorder = new Recorder({}, { server: control.url, token: second });
  await recorder.until(({ states }) => states.includes('live'));
  const caller = await control.accounts.actorOfToken(second);
  await control.accounts.revokeToken(caller?.user.id ?? '', caller?.tokenId ?? '');
  await recorder.until(({ failure }) => failure !== null);
  expect(recorder.failure).toMatchObject({ code: 'unauthorized' });
});

test('a server that is not ours, or is too busy, is tried again; one that answers nonsense is not', async () => {
  const server = createServer();
  let answers = 0;
  server.on('upgrade', (_request, socket) => {
    answers += 1;
    const status = answers < 3 ? '503 Service Unavailable' : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const recorder = new Recorder({}, { server: `http://127.0.0.1:${port}`, token });
  await recorder.until(({ failure }) => failure !== null);
  expect(answers).toBe(3);
  expect(recorder.failure?.message).toContain('answered 400');
  await new Promise((resolve) => server.close(resolve));
});

async function handlerId(): Promise<string> {
  return (await control.handlers.find('swift-otter'))?.id ?? '';
}
