/** Runs `wasmcloud run` as a process of its own, with real pipes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

const root = join(import.meta.dirname, '../../..');

/** Started dozens of times: what Node has compiled of the sources once is kept for the next start. */
const compileCache = join(tmpdir(), `trisiel-run-cache-${process.pid}`);

export interface Ran {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export async function wasmcloudRun(words: readonly string[], stdin: string | Uint8Array = ''): Promise<Ran> {
  const child = spawn(process.execPath, [join(root, 'ui-cli/main.ts'), 'run', ...words], {
    env: { PATH: process.env.PATH, HOME: tmpdir(), NO_COLOR: '1', NODE_COMPILE_CACHE: compileCache },
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    child.exitCode === null ? once(child, 'close') : null,
  ]);
  return { status: child.exitCode, stdout, stderr: stderr.toString() };
}

export function guest(name: string): string {
  return join(root, 'fixtures/guests', name);
}

/** A temporary file of this name. */
export async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'trisiel-run-')), name);
  await writeFile(path, content);
  return path;
}
