/**
 * A soak: 100,000 calls of every kind and every end, over a few connections that are kept. What a call hangs on
 * its connection, its request or the process must be gone with it. With SOAK_MINUTES it lasts as long as that says.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { MIB } from '../../src/protocol/limits.ts';
import type { Leftovers } from '../support/count-leftovers.ts';
import { call, root, TestFleet } from '../support/fleet.ts';
import { cwaGuest } from '../support/wat.ts';

const soakMinutes = process.env.SOAK_MINUTES === undefined ? null : Number(process.env.SOAK_MINUTES);
const callsTotal = soakMinutes === null ? 100_000 : Number.POSITIVE_INFINITY;
/** The soak stops here even if fewer calls have been made; what is asserted holds for any number of them. */
const soakMsMax = soakMinutes === null ? 90_000 : soakMinutes * 60_000;
/**
 * Bytes by which a runner's memory may differ after a long soak: garbage that is not collected, pages of the allocator.
 */
const rssSlack = 96 * MIB;
const keptConnections = 16;
/** Calls that end their connection, one after another: one in so many. */
const endingEvery = 40;

/**
 * What the guest does is two letters of the query: it reads n(othing), p(art), e(xactly CONTENT_LENGTH bytes) or
 * a(ll); then it answers w(hole), s(treams), e(xits with a status), t(raps), b(reaks off after its head),
 * d(oes not end), l(ets the platform follow a local redirect), m (asks for more memory than there is, and traps) or
 * g (uses its gas up).
 */
const guest = cwaGuest({
  data: [
    '(data (i32.const 0) "QUERY_STRING")',
    '(data (i32.const 16) "CONTENT_LENGTH")',
    '(data (i32.const 64) "A: b\\n\\nfirst\\n")',
    '(data (i32.const 128) "Location: /?nw\\n\\n")',
  ],
  body: `
    (drop (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 16)))
    (local.set $fd (call $stdin))
    (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 112)) (then
      (drop (call $read (local.get $fd) (i32.const 4096) (i32.const 100)))))
    (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 101)) (then
      (drop (call $env (i32.const 16) (i32.const 14) (i32.const 2048) (i32.const 16)))
      (local.set $m (i32.const 2048))
      (loop $digit
        (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $m)) (i32.const 48))))
        (local.set $m (i32.add (local.get $m) (i32.const 1)))
        (br_if $digit (i32.load8_u (local.get $m))))
      (loop $more
        (local.set $m (call $read (local.get $fd) (i32.const 4096)
          (select (local.get $n) (i32.const 60000) (i32.lt_u (local.get $n) (i32.const 60000)))))
        (local.set $n (i32.sub (local.get $n) (local.get $m)))
        (br_if $more (i32.and (i32.gt_s (local.get $m) (i32.const 0)) (i32.gt_s (local.get $n) (i32.const 0)))))))
    (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 97)) (then
      (loop $more
        (br_if $more (i32.gt_s (call $read (local.get $fd) (i32.const 4096) (i32.const 60000)) (i32.const 0))))))
    (local.set $n (i32.load8_u (i32.const 1025)))
    (local.set $fd (call $stdout))
    (if (i32.eq (local.get $n) (i32.const 101)) (then (return (i32.const 3))))
    (if (i32.eq (local.get $n) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $n) (i32.const 109)) (then
      (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
      unreachable))
    (if (i32.eq (local.get $n) (i32.const 103)) (then (loop $more (br $more))))
    (if (i32.eq (local.get $n) (i32.const 108)) (then
      (drop (call $write (local.get $fd) (i32.const 128) (i32.const 16)))
      (return (i32.const 0))))
    (if (i32.eq (local.get $n) (i32.const 100)) (then (call $sleep (i32.const 1000000))))
    (drop (call $write (local.get $fd) (i32.const 64) (i32.const 12)))
    (if (i32.ne (local.get $n) (i32.const 119)) (then
      (drop (call $flush (local.get $fd)))
      (call $sleep (i32.const 1))
      (drop (call $write (local.get $fd) (i32.const 70) (i32.const 6)))
      (if (i32.eq (local.get $n) (i32.const 98)) (then unreachable))))`,
});

/**
 * Opens what the query says, behind a letter, and leaves it open: the end of the call closes it. Writes one message
 * that is a request, a value, a frame or a message, as the scheme takes it; reads what comes back. The letter t lets it
 * trap then.
 */
const opener = cwaGuest({
  data: [
    '(data (i32.const 0) "QUERY_STRING")',
    '(data (i32.const 64) "GET / HTTP/1.1\\nA: b\\n\\n")',
    '(data (i32.const 128) "A: b\\n\\ndone\\n")',
  ],
  body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 512)))
    (local.set $fd (call $open (i32.const 1025) (i32.sub (local.get $n) (i32.const 1))))
    (if (i32.lt_s (local.get $fd) (i32.const 0)) (then (return (i32.const 7))))
    (if (i32.lt_s (call $write (local.get $fd) (i32.const 64) (i32.const 21)) (i32.const 0)) (then (return (i32.const 8))))
    (if (i32.lt_s (call $flush (local.get $fd)) (i32.const 0)) (then (return (i32.const 9))))
    (drop (call $read (local.get $fd) (i32.const 4096) (i32.const 60000)))
    (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 116)) (then unreachable))
    (local.set $fd (call $stdout))
    (drop (call $write (local.get $fd) (i32.const 128) (i32.const 11)))`,
});

type Framing = 'none' | 'length' | 'chunked';
type Ending = 'kept' | 'closed' | 'aborted';

interface Kind {
  readonly query: string;
  readonly framing: Framing;
  /** The body follows the head in a write of its own. */
  readonly isSplit: boolean;
  readonly status: number;
  /** Its answer has a head alone. */
  readonly isHead: boolean;
  readonly ending: Ending;
  /** As sent. */
  readonly head: string;
  readonly body: string;
}

const statusOf: Readonly<Record<string, number>> = {
  ...{ w: 200, s: 200, b: 200, l: 200 },
  ...{ e: 500, t: 500, d: 504, m: 500, g: 500 },
};
/** Ends that take limits of their own, so that no other call meets them: handlers with these limits. */
const handlerOf: Readonly<Record<string, string>> = { d: 'brief', m: 'narrow', g: 'thirsty' };

function kind(
  query: string,
  framing: Framing,
  options: {
    readonly bodyBytes?: number;
    readonly isSplit?: boolean;
    readonly ending?: Ending;
    readonly isHead?: boolean;
  } = {},
): Kind {
  const end = query[1] ?? '';
  const data = framing === 'none' ? '' : 'x'.repeat(options.bodyBytes ?? 2_000);
  const field = {
    none: '',
    length: `Content-Length: ${data.length}\r\n`,
    chunked: 'Transfer-Encoding: chunked\r\n',
  }[framing];
  const isHead = options.isHead ?? false;
  const bodyless = isHead ? 'HEAD' : 'GET';
  const method = framing === 'none' ? bodyless : 'POST';
  const handler = handlerOf[end] ?? 'soak';
  return {
    query,
    framing,
    isSplit: options.isSplit ?? false,
    status: statusOf[end] ?? 0,
    isHead,
    ending: options.ending ?? (end === 'b' ? 'closed' : 'kept'),
    head: `${method} /?${query} HTTP/1.1\r\nHost: ${handler}.localhost\r\n${field}\r\n`,
    body: framing === 'chunked' ? `${data.length.toString(16)}\r\n${data}\r\n0\r\n\r\n` : data,
  };
}

/** A call of the opener with `url`. */
function opens(end: 't' | 'w', url: string): Kind {
  const head = `GET /?${end}${url} HTTP/1.1\r\nHost: opener.localhost\r\n\r\n`;
  const status = statusOf[end] ?? 0;
  return { query: url, framing: 'none', isSplit: false, status, isHead: false, ending: 'kept', head, body: '' };
}

/** Reading n, p or a, with `end`, in every framing and order of arrival. */
function everyWayToRead(end: string): readonly Kind[] {
  return [
    ...['n', 'p', 'a'].flatMap((read) => [
      kind(read + end, 'none'),
      kind(read + end, 'length'),
      kind(read + end, 'length', { isSplit: true }),
      kind(read + end, 'chunked'),
      kind(read + end, 'chunked', { isSplit: true }),
    ]),
    kind(`e${end}`, 'length'),
    kind(`e${end}`, 'length', { isSplit: true }),
  ];
}

const usual = [
  ...everyWayToRead('w'),
  ...everyWayToRead('s'),
  ...Array.from({ length: 8 }, () => kind('ew', 'length')),
];
/** After these the connection lives on: what is left behind on it adds up. A round has what takes long once. */
const keeping: readonly Kind[] = [
  ...Array.from({ length: 8 }, () => usual).flat(),
  ...everyWayToRead('e'),
  ...everyWayToRead('t'),
  kind('nw', 'length', { bodyBytes: 300_000 }),
  kind('pw', 'chunked', { bodyBytes: 300_000 }),
  kind('ew', 'length', { bodyBytes: 300_000 }),
  kind('nd', 'none'),
  kind('pd', 'length'),
  ...['nw', 'ns', 'ne', 'nt'].map((query) => kind(query, 'none', { isHead: true })),
  ...['nl', 'nm', 'ng'].map((query) => kind(query, 'none')),
  ...['al', 'am', 'pg'].map((query) => kind(query, 'chunked')),
];
/** These end their connection. */
const ending: readonly Kind[] = [
  kind('nb', 'none'),
  kind('ab', 'chunked'),
  kind('nw', 'length', { ending: 'aborted' }),
  kind('aw', 'length', { ending: 'aborted' }),
  kind('aw', 'chunked', { ending: 'aborted' }),
  kind('ns', 'none', { ending: 'aborted' }),
  kind('nd', 'none', { ending: 'aborted' }),
];

/** A connection that asks one request after another; opens a new one only where the answer ends it. */
class Client {
  readonly #port: number;
  #socket: Socket | null = null;
  #text = '';
  #wake: () => void = () => {};
  #mayClose = false;
  /** Connections that ended without an answer that says so. */
  broken = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async call(one: Kind): Promise<void> {
    const socket = this.#socket ?? (await this.#open());
    const { head, body } = one;
    this.#text = '';
    this.#mayClose = one.ending === 'closed';
    if (one.ending === 'aborted') {
      const isSent = new Promise<void>((resolve) => socket.write(head + body.slice(0, 500), () => resolve()));
      await isSent;
      this.close();
      return;
    }
    if (one.isSplit) {
      await new Promise<void>((resolve) => socket.write(head, () => setImmediate(resolve)));
      socket.write(body);
    } else socket.write(head + body);
    while (!isComplete(this.#text, one.isHead) && !socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const status = Number(this.#text.slice(9, 12));
    if (status !== one.status) throw new Error(`?${one.query} ${one.framing}: ${this.#text || 'closed'}`);
    if (one.ending === 'closed') this.close();
    else if (socket.destroyed || /^connection: close$/im.test(this.#text)) {
      this.broken += 1;
      this.close();
    }
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  async #open(): Promise<Socket> {
    const socket = connect(this.#port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text += text;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket === socket) {
        this.#socket = null;
        if (!this.#mayClose) this.broken += 1;
      }
      this.#wake();
    });
    await once(socket, 'connect');
    this.#socket = socket;
    return socket;
  }
}

function isComplete(text: string, isHead: boolean): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  if (isHead) return true;
  const length = /^content-length: (\d+)$/im.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= end + 4 + Number(length);
}

/** What guests reach: answers requests, and sends frames of WebSockets back. */
async function startUpstream(): Promise<Server> {
  const server = createServer((_request, response) => response.end('upstream'));
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Of a process: resident bytes, and open descriptors. */
function footprint(pid: number): { readonly rssBytes: number; readonly descriptors: number } {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { rssBytes: Number(kib) * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

describe('100,000 calls over kept connections', async () => {
  const upstream = await startUpstream();
  const { port } = upstream.address() as AddressInfo;
  const fleet = new TestFleet({
    egressAllow: [`127.0.0.1:${port}`],
    nodeFlags: [
      '--expose-gc',
      `--allow-fs-read=${root}test/support/`,
      `--import=${root}test/support/count-leftovers.ts`,
    ],
  });
  fleet.onRequest = async ({ op }) => (op === 'kv.get' ? Buffer.from('stored') : null);
  const clients: Client[] = [];
  const all = [
    ...keeping,
    ...[`http://127.0.0.1:${port}/`, `ws://127.0.0.1:${port}/`, 'kv://b/key', 'queue://work', 'null:'].flatMap(
      (url) => [opens('w', url), opens('t', url)],
    ),
  ];
  beforeAll(async () => {
    await fleet.start();
    await fleet.deployWat('soak', guest);
    await fleet.deployWat('brief', guest, { limits: { timeoutMs: 50 } });
    await fleet.deployWat('narrow', guest, { limits: { memoryPages: 4 } });
    await fleet.deployWat('thirsty', guest, { limits: { gas: 100_000 } });
    await fleet.deployWat('opener', opener);
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await fleet.stop();
    upstream.close();
    upstream.closeAllConnections();
  });

  async function makeCalls(count: number): Promise<number> {
    const endMs = performance.now() + soakMsMax;
    let made = 0;
    const work = async (client: Client): Promise<void> => {
      while (made < count && performance.now() < endMs) {
        made += 1;
        await client.call(all[made % all.length] as Kind);
        if (made % endingEvery !== 0) continue;
        const other = new Client(fleet.fleet.port);
        await other.call(ending[(made / endingEvery) % ending.length] as Kind);
        made += 1;
      }
    };
    await Promise.all(clients.map(work));
    return made;
  }

  async function leftovers(): Promise<Leftovers & ReturnType<typeof footprint>> {
    const before = fleet.events.length;
    await call(`${fleet.url}/.leftovers`);
    const inside = await fleet.until(() => {
      for (const event of fleet.events.slice(before)) {
        if (event.kind !== 'runner_stderr' || !event.line.startsWith('{"leftovers"')) continue;
        return JSON.parse(event.line) as Leftovers;
      }
      return undefined;
    });
    return { ...inside, ...footprint(fleet.runners[0]?.pid ?? 0) };
  }

  /** Counts when the last aborted calls have ended, too: the runner hears of them after their clients have gone. */
  async function settled(): Promise<Awaited<ReturnType<typeof leftovers>>> {
    let counts = await leftovers();
    await expect
      .poll(
        async () => {
          counts = await leftovers();
          return [counts.openRequests, counts.connections];
        },
        { timeout: 60_000 },
      )
      .toEqual([0, keptConnections]);
    return counts;
  }

  it(
    'leave no listener, timer, request or heap behind, and the connections live on',
    async () => {
      for (const client of clients.splice(0)) client.close();
      for (let n = 0; n < keptConnections; n += 1) clients.push(new Client(fleet.fleet.port));
      await makeCalls(10_000);
      const before = await settled();
      const made = await makeCalls(callsTotal);
      const after = await settled();
      process.stderr.write(`leftovers of ${made} calls: ${JSON.stringify({ before, after })}\n`);

      expect(after.requests - before.requests).toBeGreaterThanOrEqual(made * 0.9);
      expect(clients.map(({ broken }) => broken)).toEqual(clients.map(() => 0));
      expect(after.connectionListeners).toBeLessThanOrEqual(before.connectionListeners);
      expect(after.serverListeners).toBe(before.serverListeners);
      expect(after.processListeners).toBe(before.processListeners);
      expect(after.otherResources).toBe(before.otherResources);
      // A handful of timers belong to the runner: deadlines, batches of log lines and records, the mark.
      expect(after.timers).toBeLessThanOrEqual(before.timers + 8);
      expect((after.heapBytes - before.heapBytes) / made).toBeLessThan(100);
      expect(after.rssBytes - before.rssBytes).toBeLessThan(rssSlack);
      // Clients' connections that have not closed yet, and those to the upstream that are kept.
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + keptConnections);
      expect(fleet.events.filter(({ kind }) => kind === 'runner_ended')).toEqual([]);
    },
    soakMsMax + 300_000,
  );
});
