/** Guests that speak to real servers, through the ABIs, and 2,000 of them that wait at once. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { providedFunctions } from '../../../../src/guest/kernel/abi/modules.ts';
import { runLocally } from '../../../../src/guest/kernel/local-run.ts';
import { httpPoolLimits } from '../../../../src/guest/kernel/net/http-pool.ts';
import type { Network } from '../../../../src/guest/kernel/net/network.ts';
import type { Process } from '../../../../src/guest/kernel/process.ts';
import type { ProcessEnd } from '../../../../src/guest/kernel/process-end.ts';
import type { Resource } from '../../../../src/guest/kernel/resource.ts';
import { networkSchemes } from '../../../../src/guest/kernel/resources/network.ts';
import { nullResource } from '../../../../src/guest/kernel/resources/null.ts';
import { ValueReader } from '../../../../src/guest/kernel/resources/value-reader.ts';
import { vetModule } from '../../../../src/guest/wasm/rewrite.ts';
import { defaultLimits } from '../../../../src/protocol/limits.ts';
import type { Policy } from '../../../../src/protocol/nouns.ts';
import { canary, cleanUp, gate, httpServer, listen, tcpServer, world, worldOf } from '../../../support/net.ts';

afterEach(cleanUp);

async function load(abi: string) {
  const bytes = await readFile(join(import.meta.dirname, `../../../../fixtures/guests/${abi}/net-call.wasm`));
  const vetted = vetModule(bytes, { provided: providedFunctions });
  return { module: await WebAssembly.compile(vetted.bytes as Uint8Array<ArrayBuffer>), plan: vetted.module.plan };
}

const guests = { cwa: await load('cwa'), dagger: await load('dagger') };

interface Run {
  readonly end: ProcessEnd;
  readonly output: string;
  readonly lines: readonly string[];
  readonly process: Process;
}

function streams(input: string) {
  const output: Buffer[] = [];
  const reader = new ValueReader(Buffer.from(input));
  const stdin: Resource = { ...nullResource, scheme: 'stdin', read: (into) => reader.read(into) };
  const stdout: Resource = {
    ...nullResource,
    scheme: 'stdout',
    write: (bytes) => {
      output.push(Buffer.from(bytes));
      return bytes.length;
    },
  };
  return { stdin, stdout, text: () => Buffer.concat(output).toString() };
}

/** Runs the guest of `abi` that opens `url`, writes `payload`, flushes and reads to the end. */
async function call(
  network: Network,
  abi: keyof typeof guests,
  url: string,
  payload: string,
  policy: Policy | null = null,
): Promise<Run> {
  const { stdin, stdout, text } = streams(`${url}\n${payload}`);
  const lines: string[] = [];
  const { end, guest: process } = await runLocally({
    ...guests[abi],
    args: ['guest'],
    env: new Map(),
    stdin,
    stdout,
    stderr: nullResource,
    files: () => {
      throw new Error('no files here');
    },
    kv: null,
    queues: null,
    limits: defaultLimits,
    policy,
    schemes: networkSchemes(network),
    log: { line: ({ text: line }) => void lines.push(line) },
  });
  return { end, output: text(), lines, process };
}

describe.each(['cwa', 'dagger'] as const)('a %s guest', (abi) => {
  it('makes an HTTP request, and its bytes are counted under the scheme', async () => {
    const at = await httpServer((request, response) => {
      request.pipe(response);
    });
    const { network } = world([at]);
    const request = 'POST /echo HTTP/1.1\nContent-Length: 5\n\nhello';
    const { end, output, process } = await call(network, abi, `http://${at}/`, request);
    expect(end).toEqual({ kind: 'exit', status: 0 });
    expect(output).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhello$/);
    expect(process.io.get('http')).toEqual({ bytesIn: output.length, bytesOut: request.length });
  });

  it('speaks WebSocket', async () => {
    const server = new WebSocketServer({ noServer: true });
    const at = await listen(
      (await import('node:http')).createServer().on('upgrade', (request, socket, head) =>
        server.handleUpgrade(request, socket, head, (client) =>
          client.on('message', (data) => {
            client.send(`${data} back`);
            client.send(' and again');
            client.close(1000);
          }),
        ),
      ),
    );
    const { end, output } = await call(world([at]).network, abi, `ws://${at}/`, 'hello');
    expect(end).toEqual({ kind: 'exit', status: 0 });
    expect(output).toBe('hello back and again');
  });

  it('speaks TCP', async () => {
    const at = await tcpServer((socket) => socket.once('data', (data) => socket.end(`${data} back`)));
    const { end, output, process } = await call(world([at]).network, abi, `tcp://${at}`, 'hello');
    expect(end).toEqual({ kind: 'exit', status: 0 });
    expect(output).toBe('hello back');
    expect(process.io.get('tcp')).toEqual({ bytesIn: 10, bytesOut: 5 });
  });

  it('is refused a denied address by every scheme, with the reason in the log', async () => {
    const trap = await canary();
    for (const url of [
      `http://${trap.address}/`,
      `ws://${trap.address}/`,
      `tcp://${trap.address}`,
      `tcp://2130706433:${trap.port}`,
    ]) {
      const { end, lines } = await call(world([]).network, abi, url, 'GET / HTTP/1.1\n\n');
      // CommonWA has a code for it, -3; to Dagger it is a failed operation, -1.
      expect(end).toEqual({ kind: 'exit', status: abi === 'cwa' ? 3 : 1 });
      expect(lines[0]).toMatch(/is refused/);
    }
    expect(trap.seen()).toBe(0);
  });

  it('dies of a URL that the policy refuses', async () => {
    const trap = await canary();
    const policy = { allow: [], disallow: [] };
    const { end, lines } = await call(world([trap.address]).network, abi, `http://${trap.address}/`, '', policy);
    expect(end).toMatchObject({ kind: 'policy' });
    expect(lines[0]).toMatch(/vibe check failed/);
    expect(trap.seen()).toBe(0);
  });
});

describe('2,000 invocations', () => {
  it('wait at the same time for one slow upstream, while another handler’s call goes through', async () => {
    const count = 2_000;
    const all = gate();
    const answer = gate();
    let arrived = 0;
    const slow = await httpServer(async (_request, response) => {
      arrived += 1;
      if (arrived === count) all.open();
      await answer.opened;
      response.end('slow');
    });
    const quick = await httpServer((_request, response) => response.end('quick'));
    const shared = world([slow, quick]);
    const other = worldOf(shared.network.egress);
    const waiting = Array.from({ length: count }, () =>
      call(shared.network, 'cwa', `http://${slow}/`, 'GET / HTTP/1.1\n\n'),
    );
    await all.opened;
    expect(shared.network.connections).toBe(count);
    const { output } = await call(other.network, 'cwa', `http://${quick}/`, 'GET / HTTP/1.1\n\n');
    expect(output).toMatch(/quick$/);
    answer.open();
    for (const { end, output } of await Promise.all(waiting)) {
      expect(end).toEqual({ kind: 'exit', status: 0 });
      expect(output).toMatch(/slow$/);
    }
    // Few are kept for the next request.
    while (shared.network.connections > httpPoolLimits.idleMax) await new Promise((resolve) => setImmediate(resolve));
    expect(shared.network.connections).toBe(httpPoolLimits.idleMax);
  });
});
