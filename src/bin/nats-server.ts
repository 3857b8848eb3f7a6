/** Starts nats-servers for the demo and for tests: in a folder of their own, on free ports of 127.0.0.1. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isNewEnough, oldestServer } from '../bus/limits.ts';

export interface NatsServer {
  readonly port: number;
  /** URL with the credentials of a control, or of a node. */
  readonly url: string;
  readonly nodeUrl: string;
  /** Ends the server at once, like a crash; its streams stay. */
  kill(): Promise<void>;
  /** Starts it again on the same port. `empty`: without its streams, as if they had been deleted by hand. */
  start(options?: { readonly empty?: boolean }): Promise<void>;
  /** Stops the process (SIGSTOP), like a machine that hangs; `resume` continues it. */
  pause(): void;
  resume(): void;
  /** Ends the server and removes its folder. */
  close(): Promise<void>;
}

/** Returns why no nats-server can be started here; null: one can. */
export function whyNoNats(): string | null {
  let text: string;
  try {
    text = execFileSync('nats-server', ['--version'], { encoding: 'utf8' });
  } catch {
    return 'nats-server is not installed (Debian: apt-get install nats-server, of a suite that has 2.11 or newer)';
  }
  const [version = '0.0'] = /\d+\.\d+(?:\.\d+)?/.exec(text) ?? [];
  return isNewEnough(version) ? null : `nats-server ${version} is too old, ${oldestServer.join('.')} is needed`;
}

/** Passwords of the two users; the server knows no others. */
const passwords = { control: 'secret-of-controls', node: 'secret-of-nodes' } as const;

/** Place of a server among several that keep copies of streams. */
interface NatsPeers {
  /** Name of the server; differs from those of the others. */
  readonly name: string;
  /** Ports of 127.0.0.1 on which the servers hear each other; this one's first. */
  readonly ports: readonly [number, ...number[]];
}

/** Returns the settings of a server in which nodes can do only what nodes do; docs/cluster.md shows the same. */
export function natsSettings(options: {
  readonly port: number;
  readonly folder: string;
  readonly peers?: NatsPeers | undefined;
}): string {
  return `listen: "127.0.0.1:${options.port}"
${options.peers === undefined ? '' : peerSettings(options.peers)}jetstream { store_dir: "${join(options.folder, 'streams')}" }
authorization {
  users = [
    { user: control, password: "${passwords.control}" }
    { user: node, password: "${passwords.node}", permissions: {
      publish: { allow: ["trisiel.alive.*", "trisiel.running.*", "trisiel.reports.*"] }
      subscribe: { allow: ["trisiel.all", "trisiel.control.*", "trisiel.node.*", "trisiel.alive.*", "_INBOX.node.>"] }
      allow_responses: { max: 1, expires: "2m" }
    } }
  ]
}
`;
}

function peerSettings({ name, ports: [own, ...others] }: NatsPeers): string {
  const routes = others.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  return `server_name: "${name}"\ncluster { name: "trisiel", listen: "127.0.0.1:${own}", routes: [${routes}] }\n`;
}

/** Starts a server in `folder`, which is made. It ends with this process. Takes about 0.1 s. */
export async function startNats(folder: string, peers?: NatsPeers): Promise<NatsServer> {
  const why = whyNoNats();
  if (why !== null) throw new Error(why);
  mkdirSync(folder, { recursive: true });
  let port = -1;
  let child: ChildProcess | null = null;
  const endChild = (): void => void child?.kill('SIGKILL');
  process.on('exit', endChild);
  const start = async ({ empty = false }: { readonly empty?: boolean } = {}): Promise<void> => {
    if (empty) rmSync(join(folder, 'streams'), { recursive: true, force: true });
    const file = join(folder, 'nats.conf');
    // -1: any free port.
    writeFileSync(file, natsSettings({ port, folder, peers }));
    // The shell ends the server when its stdin closes, which happens however this process ends.
    const run = `nats-server -c "$0" & server=$!; cat >/dev/null; kill -9 $server; wait $server`;
    const started = spawn('sh', ['-c', run, file], { stdio: ['pipe', 'ignore', 'pipe'] });
    child = started;
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: started.stderr }).on('line', (line) => {
        if (said.push(line) > 50) said.shift();
        const found = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(line);
        if (found !== null) port = Number(found[1]);
        if (line.includes('Server is ready')) resolve();
      });
      started.once('exit', () => reject(new Error(`nats-server did not start:\n${said.join('\n')}`)));
    });
    started.unref();
    for (const stream of [started.stdin, started.stderr]) if (stream instanceof Socket) stream.unref();
  };
  const stop = async (): Promise<void> => {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null) return;
    running.ref();
    const ended = once(running, 'exit');
    running.stdin?.end();
    await ended;
  };
  const signal = (name: 'SIGSTOP' | 'SIGCONT'): void => {
    const pid = child?.pid;
    if (pid === undefined) return;
    // `cat` is a child of the shell too, and harmed by neither signal.
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    for (const one of children.trim().split(' ').filter(Boolean)) process.kill(Number(one), name);
  };
  await start();
  const url = (user: keyof typeof passwords): string => `nats://${user}:${passwords[user]}@127.0.0.1:${port}`;
  return {
    port,
    url: url('control'),
    nodeUrl: url('node'),
    kill: stop,
    start,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async close() {
      signal('SIGCONT');
      await stop();
      process.off('exit', endChild);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
