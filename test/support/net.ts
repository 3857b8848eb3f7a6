/** A real Process and the calls that an ABI would make on its resources; servers on the loopback. */
import { randomFillSync } from 'node:crypto';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { systemClock } from '../../src/guest/kernel/local-run.ts';
import { GasMeter } from '../../src/guest/kernel/meter.ts';
import { createEgress, type Egress, type EgressOptions } from '../../src/guest/kernel/net/egress.ts';
import { createNetwork, type Network } from '../../src/guest/kernel/net/network.ts';
import { openUrl } from '../../src/guest/kernel/open.ts';
import { CompiledPolicy } from '../../src/guest/kernel/policy.ts';
import { Process } from '../../src/guest/kernel/process.ts';
import type { ProcessTrace } from '../../src/guest/kernel/process-trace.ts';
import type { Resource } from '../../src/guest/kernel/resource.ts';
import { networkSchemes } from '../../src/guest/kernel/resources/network.ts';
import { nullResource } from '../../src/guest/kernel/resources/null.ts';
import { SchemeRegistry } from '../../src/guest/kernel/scheme-registry.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import type { Policy } from '../../src/protocol/nouns.ts';

export interface World {
  readonly network: Network;
  /** Makes a Process of this world's handler. `lines` holds its log lines. */
  process(policy?: Policy, trace?: ProcessTrace): Process & { readonly lines: string[] };
}

const worlds: Network[] = [];
const closers: (() => Promise<void>)[] = [];

/** Makes a handler's network with `allow` reachable; the host's own addresses are the real ones. */
export function world(allow: readonly string[], egress: Partial<EgressOptions> = {}): World {
  return worldOf(createEgress({ allow, ownPorts: [], ...egress }));
}

/** Makes another handler's network of the same runner. */
export function worldOf(egress: Egress): World {
  const network = createNetwork({ egress, version: '1.2.3' });
  worlds.push(network);
  const schemes = new SchemeRegistry(networkSchemes(network));
  return {
    network,
    process: (policy, trace) => {
      const lines: string[] = [];
      const process = new Process({
        trace,
        identity: { handler: 'swift-otter', deployment: 1, commit: 'c', invocation: 'i' },
        args: [],
        env: new Map(),
        stdin: nullResource,
        stdout: nullResource,
        stderr: nullResource,
        limits: defaultLimits,
        policy: policy === undefined ? null : new CompiledPolicy(policy),
        schemes,
        meter: new GasMeter(1000),
        log: { line: ({ text }) => void lines.push(text) },
        clock: systemClock,
        random: (into) => void randomFillSync(into),
        files: () => {
          throw new Error('no files here');
        },
        kv: null,
        queues: null,
      });
      return Object.assign(process, { lines });
    },
  };
}

/** Ends everything that the test has started. */
export async function cleanUp(): Promise<void> {
  for (const network of worlds.splice(0)) network.close();
  for (const close of closers.splice(0)) await close();
}

export function onCleanUp(close: () => Promise<void>): void {
  closers.push(close);
}

/** Opens `url` as an ABI does: the Resource, described, or the Errno. */
export async function open(process: Process, url: string): Promise<Resource | number> {
  const opened = await openUrl(process, url, { read: true, write: true });
  if (typeof opened !== 'number') process.descriptors.add(opened);
  return opened;
}

/** Returns the Resource; fails the test where there is an Errno. */
export async function opened(process: Process & { readonly lines: string[] }, url: string): Promise<Resource> {
  const resource = await open(process, url);
  if (typeof resource === 'number') throw new Error(`open ${url}: ${resource}; ${process.lines.join('; ')}`);
  return resource;
}

/** Writes all bytes, as io.ts does. Returns the number of bytes written, or the Errno. */
export async function write(resource: Resource, data: string | Uint8Array): Promise<number> {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  let done = 0;
  do {
    // A copy that is wiped afterwards: a view of guest memory is invalid after the call.
    const view = new Uint8Array(bytes.subarray(done));
    const result = resource.write(view);
    if (typeof result !== 'number') {
      await result;
      continue;
    }
    view.fill(0xee);
    if (result < 0) return done > 0 ? done : result;
    done += result;
  } while (done < bytes.length);
  return done;
}

/** Makes one read of up to `size` bytes as text, or the Errno. */
export async function read(resource: Resource, size = 65_536): Promise<string | number> {
  const bytes = await readBytes(resource, size);
  return typeof bytes === 'number' ? bytes : Buffer.from(bytes).toString('latin1');
}

export async function readBytes(resource: Resource, size = 65_536): Promise<Uint8Array | number> {
  for (;;) {
    const into = new Uint8Array(size);
    const result = resource.read(into);
    if (typeof result !== 'number') await result;
    else return result < 0 ? result : into.subarray(0, result);
  }
}

/** Reads until an Errno: returns the text before it, and the Errno. */
export async function readAll(resource: Resource, size = 65_536): Promise<{ text: string; errno: number }> {
  let text = '';
  for (;;) {
    const part = await read(resource, size);
    if (typeof part === 'number') return { text, errno: part };
    text += part;
  }
}

/** Writes `request`, flushes, reads everything. */
export async function exchange(resource: Resource, request: string): Promise<{ text: string; errno: number }> {
  const written = await write(resource, request);
  if (written !== Buffer.byteLength(request)) return { text: '', errno: written };
  const flushed = await resource.flush();
  return flushed === 0 ? await readAll(resource) : { text: '', errno: flushed };
}

/** Listens on `host` and any port (or `port`); `host:port`. */
export async function listen(server: Server | HttpServer, host = '127.0.0.1', port = 0): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 4096 }, resolve);
  });
  onCleanUp(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `${host}:${(server.address() as AddressInfo).port}`;
}

export function httpServer(listener: RequestListener): Promise<string> {
  return listen(createHttpServer(listener));
}

/** Starts a server of raw TCP, which sends exactly the bytes that it writes. */
export function tcpServer(onSocket: (socket: Socket) => void, allowHalfOpen = false): Promise<string> {
  return listen(createTcpServer({ allowHalfOpen }, onSocket));
}

/** Starts a server that must see no connection. */
export async function canary(
  host = '127.0.0.1',
  port = 0,
): Promise<{ address: string; port: number; seen: () => number }> {
  let seen = 0;
  const address = await listen(
    createTcpServer((socket) => {
      seen += 1;
      socket.destroy();
    }),
    host,
    port,
  );
  return { address, port: Number(address.split(':').at(-1)), seen: () => seen };
}

/** Makes a promise and its resolver, for a server that waits for the test. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/**
 * Returns whether `promise` is still pending after many turns of the event loop, enough for all pending work to run.
 */
export async function staysPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  void promise.then(() => {
    pending = false;
  });
  for (let turn = 0; turn < 300 && pending; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return pending;
}
