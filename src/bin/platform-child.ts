/** Runs the platform, or a node of a cluster, as a child process, for the demo and for end-to-end tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of the platform that runs as a child process. */
export interface ProgramChild {
  readonly child: ChildProcess;
  /** Returns all text on its stderr so far: its own log. */
  log(): string;
  /** Resolves with the first log line that contains `text`; earlier lines are searched too. */
  logged(text: string): Promise<string>;
  /** Sends SIGINT, which ends it and its runners; resolves with the exit status. */
  stop(): Promise<number | null>;
  /** Sends SIGTERM, which ends it but not its runners, for a restart; resolves with the exit status. */
  leave(): Promise<number | null>;
}

export interface PlatformChild extends ProgramChild {
  /** Base URLs of the API and of functions, from the ready line. */
  readonly controlUrl: string;
  readonly runUrl: string;
}

export interface NodeChild extends ProgramChild {
  /** Id of the node, and base URL of the functions on it, from the ready line. */
  readonly id: string;
  readonly runUrl: string;
}

/** Characters kept of a program's stderr; older text is dropped. */
const logCharsMax = 4 * 1024 * 1024;

/** Folder of this platform's own programs. */
const ownPrograms = fileURLToPath(new URL('.', import.meta.url));

/**
 * Starts `serve` with `env` added to this process's environment, and with the flags `nodeFlags` of Node. `programs`:
 * folder `src/bin` of another version; absent: of this one. Rejects when the platform exits before it is ready.
 */
export async function startPlatformChild(
  env: Readonly<Record<string, string>>,
  nodeFlags: readonly string[] = [],
  programs: string = ownPrograms,
): Promise<PlatformChild> {
  const ready = /^ready control=(\S+) run=(\S+)$/;
  const { match, program } = await startChild(join(programs, 'serve.ts'), ready, env, nodeFlags);
  return { ...program, controlUrl: match[1] as string, runUrl: match[2] as string };
}

/** Starts `trisiel node`, with parameters and errors as those of startPlatformChild. */
export async function startNodeChild(
  env: Readonly<Record<string, string>>,
  nodeFlags: readonly string[] = [],
  programs: string = ownPrograms,
): Promise<NodeChild> {
  const ready = /^ready node=\S+ id=(\S+) run=(\S+)$/;
  const { match, program } = await startChild(join(programs, 'node.ts'), ready, env, nodeFlags);
  return { ...program, id: match[1] as string, runUrl: match[2] as string };
}

async function startChild(
  file: string,
  readyLine: RegExp,
  env: Readonly<Record<string, string>>,
  nodeFlags: readonly string[],
): Promise<{ readonly match: RegExpExecArray; readonly program: ProgramChild }> {
  const child = spawn(process.execPath, [...nodeFlags, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let log = '';
  const waiting = new Map<string, (line: string) => void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    log = `${log}${line}\n`.slice(-logCharsMax);
    for (const [text, resolve] of waiting) {
      if (!line.includes(text)) continue;
      waiting.delete(text);
      resolve(line);
    }
  });
  const ready = new Promise<RegExpExecArray>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = readyLine.exec(line);
      if (match !== null) resolve(match);
    });
    child.once('error', reject);
    child.once('close', (status, signal) =>
      reject(new Error(`${basename(file)} ended before it was ready (${status ?? signal}):\n${log}`)),
    );
  });
  const match = await ready;
  const program: ProgramChild = {
    child,
    log: () => log,
    logged(text) {
      const line = log.split('\n').find((candidate) => candidate.includes(text));
      return line === undefined ? new Promise((resolve) => waiting.set(text, resolve)) : Promise.resolve(line);
    },
    stop: () => end('SIGINT'),
    leave: () => end('SIGTERM'),
  };
  return { match, program };

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    const [status] = await once(child, 'exit');
    return status as number | null; // first argument of `exit`
  }
}
