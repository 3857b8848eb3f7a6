/** Runs the commands of `trisiel` as an operator does. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from './e2e.ts';

/** Runs `trisiel COMMAND ARGS…` with `env` added to this process's environment. */
export function trisiel(
  command: 'backup' | 'restore' | 'doctor' | 'migrate',
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CommandResult> {
  const program = fileURLToPath(new URL(`../../src/bin/${command}.ts`, import.meta.url));
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}
