/** Writes results to stdout, and messages about them to stderr. */
import process from 'node:process';
import { PlatformError } from '../src/protocol/errors.ts';
import { typable } from './command-name.ts';
import type { Environment } from './environment.ts';
import { safeJson } from './text/visible.ts';

export const exitCodes = { ok: 0, error: 1, cancelled: 2, loginNeeded: 4 } as const;

/** The user answered no, or pressed Ctrl-C or Esc. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

export interface Output {
  /** Prints a line of the result. */
  line(text?: string): void;
  /** Prints a whole result as JSON, for programs. */
  json(value: unknown): void;
  /** Prints one value per line (NDJSON), for results without an end. */
  jsonLine(value: unknown): void;
  /** Prints raw bytes. Waits while the reader is slow. */
  bytes(chunk: Uint8Array): Promise<void>;
  /** Prints a message for the user; commands in it become typable (command-name.ts). */
  note(text: string): void;
  /** Whether lines of a result may be coloured: stdout is a terminal and NO_COLOR is not set. */
  readonly colour: boolean;
  readonly stdoutIsTty: boolean;
}

export function processOutput(environment: Pick<Environment, 'noColor' | 'command'>): Output {
  const { stdout, stderr } = process;
  return {
    line: (text = '') => void stdout.write(`${text}\n`),
    json: (value) => void stdout.write(`${safeJson(value, 2)}\n`),
    jsonLine: (value) => void stdout.write(`${safeJson(value)}\n`),
    bytes: (chunk) =>
      new Promise((resolve) => {
        if (stdout.write(chunk)) resolve();
        else stdout.once('drain', resolve);
      }),
    note: (text) => void stderr.write(`${typable(text, environment.command)}\n`),
    colour: stdout.isTTY === true && !environment.noColor,
    stdoutIsTty: stdout.isTTY === true,
  };
}

/** Returns the exit status of a command that ended with `error`. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Cancelled) return exitCodes.cancelled;
  if (error instanceof PlatformError && error.code === 'unauthorized') return exitCodes.loginNeeded;
  return exitCodes.error;
}

/** Makes the error for a missing Token. */
export function loginNeeded(server: string): PlatformError {
  return new PlatformError('unauthorized', `not logged in at ${server}`, {
    hints: ['log in: wasmcloud login', 'new here: wasmcloud signup'],
  });
}
