/** Starts the programs we compare with. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Peer {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export async function bare(kind: 'http' | 'koa' | 'bodies'): Promise<Peer> {
  const child = spawn(process.execPath, [here('bare.ts'), kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { NODE_ENV: 'production' },
  });
  if (child.stdout === null) throw new Error('no standard output');
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return { pid: child.pid ?? 0, url: `http://127.0.0.1:${String(port).trim()}/`, stop: () => end(child) };
}

const workerdPaths = ['../node_modules/workerd/bin/workerd', '../../node_modules/workerd/bin/workerd'];

/** Finds workerd's own binary, or null where bench/'s packages are not installed. */
export function findWorkerd(): string | null {
  const found = process.env.WORKERD ?? workerdPaths.map(here).find((path) => existsSync(path));
  if (found === undefined) return null;
  try {
    execFileSync(found, ['--version'], { stdio: 'ignore' });
    return found;
  } catch {
    return null;
  }
}

/** Starts the guest at `wasm` inside workerd; `fresh`: a new instance per request. */
export async function workerd(program: string, wasm: Uint8Array, fresh: boolean): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-'));
  const port = await freePort();
  const source = await readFile(here('worker.js'), 'utf8');
  await writeFile(join(folder, 'worker.js'), source.replaceAll('FRESH', String(fresh)));
  await writeFile(join(folder, 'guest.wasm'), wasm);
  await writeFile(join(folder, 'config.capnp'), config(port));
  const child = spawn(program, ['serve', join(folder, 'config.capnp')], { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}/`;
  while (
    !(await fetch(url).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error('workerd ended');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    pid: child.pid ?? 0,
    url,
    stop: async () => {
      await end(child);
      await rm(folder, { recursive: true });
    },
  };
}

const config = (port: number) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "guest.wasm", wasm = embed "guest.wasm")
  ],
  compatibilityDate = "2026-01-01"
);
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
