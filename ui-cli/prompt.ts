/**
 * Questions to a person at a terminal. Without one nothing is asked: the caller says what is
 * missing and how to pass it. Prompts are written to stderr, so that stdout stays the result.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { PlatformError } from '../src/protocol/errors.ts';
import { KIB, MIB } from '../src/protocol/limits.ts';
import { Cancelled } from './output.ts';

/** A password or a variable's value from stdin. */
const secretBytesMax = 64 * KIB;
/** A request body for `invoke`, which the server limits further. */
export const stdinBytesMax = 100 * MIB;

/** One line. Throws Cancelled on Ctrl-C and Ctrl-D. */
export function ask(question: string, { secret = false } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    // readline echoes to its output what is typed; a secret goes nowhere.
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
    if (secret) process.stderr.write(question);
    const lines = createInterface({
      input: process.stdin,
      output: secret ? silent : process.stderr,
      terminal: true,
      historySize: 0,
    });
    let answer: string | null = null;
    lines.on('SIGINT', () => lines.close());
    lines.on('close', () => {
      if (secret || answer === null) process.stderr.write('\n');
      if (answer === null) reject(new Cancelled('cancelled'));
      else resolve(answer);
    });
    lines.question(secret ? '' : question, (typed) => {
      answer = typed;
      lines.close();
    });
  });
}

export async function confirm(question: string): Promise<void> {
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new Cancelled('nothing changed');
}

/** A secret from stdin: all of it, without the line break that `echo` adds. */
export async function readSecret(): Promise<string> {
  const bytes = await readStdin(secretBytesMax);
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}

export async function readStdin(bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > bytesMax) throw new PlatformError('body_too_large', `standard input is larger than ${bytesMax} bytes`);
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}
