/** Runs `wasmcloud run` as a separate process, with real pipes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll } from 'vitest';
import { buildCommandLine } from '../../ui-cli/build.ts';

const root = join(import.meta.dirname, '../..');

/**
 * The tool in its shipped form: one bundle, which starts three times as fast as its sources. It is inside the
 * repository, where it finds wabt.
 */
const folder = join(root, 'node_modules/.cache', `trisiel-run-${process.pid}`);
export const entry = join(folder, 'wasmcloud.js');

beforeAll(() => buildCommandLine(folder));
afterAll(() => rm(folder, { recursive: true }));

export interface Ran {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export function wasmcloudRun(
  words: readonly string[],
  stdin: string | Uint8Array = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return wasmcloud(['run', ...words], stdin, env);
}

export async function wasmcloud(
  words: readonly string[],
  stdin: string | Uint8Array = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [entry, ...words], {
    env: { PATH: process.env.PATH, HOME: tmpdir(), NO_COLOR: '1', ...env },
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

/** Makes a temporary file of this name. */
export async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'trisiel-run-')), name);
  await writeFile(path, content);
  return path;
}
