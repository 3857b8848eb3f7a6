/**
 * Asks a person at a terminal. Without a terminal it does not ask: the caller says what is missing and how to pass it.
 * Prompts go to stderr, so that stdout holds only the result.
 */
import { isUtf8 } from 'node:buffer';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { PlatformError } from '../src/protocol/errors.ts';
import { KIB, MIB } from '../src/protocol/limits.ts';
import { Cancelled } from './output.ts';
import { SecretLine } from './secret-line.ts';

/** Bytes of a password or of a variable's value from stdin. */
const secretBytesMax = 64 * KIB;
/** Bytes of a request body for `invoke`, which the server limits further. */
export const stdinBytesMax = 100 * MIB;

/** Asks for one line, which is shown while it is typed. Throws Cancelled on Ctrl-C and Ctrl-D. */
export function ask(question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true, historySize: 0 });
    let answer: string | null = null;
    lines.on('SIGINT', () => lines.close());
    lines.on('close', () => {
      if (answer !== null) return resolve(answer);
      process.stderr.write('\n');
      reject(new Cancelled('cancelled'));
    });
    lines.question(question, (typed) => {
      answer = typed;
      lines.close();
    });
  });
}

const bracketedPaste = { on: '\u001b[?2004h', off: '\u001b[?2004l' } as const;

/**
 * Asks for a secret, which is not shown. Pasted text of several lines is kept with `multiline`, else refused. Throws
 * Cancelled on Ctrl-C and Ctrl-D, and `bad_request` for several lines from a terminal that does not mark a paste: the
 * first line would be taken as the answer, and the shell would run the others.
 */
export async function askSecret(question: string, { multiline = false } = {}): Promise<string> {
  const { stdin, stderr } = process;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const line = new SecretLine({ multiline });
  const read = (chunk: string) => {
    const end = line.read(chunk);
    if (end === null) return;
    if (end.kind === 'answer') resolve(end.text);
    else reject(end.kind === 'cancel' ? new Cancelled('cancelled') : new PlatformError('bad_request', end.why));
  };
  stderr.write(question + bracketedPaste.on);
  stdin.setEncoding('utf8').setRawMode(true).on('data', read).resume();
  try {
    return await promise;
  } finally {
    stdin.off('data', read).setRawMode(false).pause();
    stderr.write(`${bracketedPaste.off}\n`);
  }
}

/** Asks a question. Returns when the answer is y or yes; throws Cancelled for any other. */
export async function confirm(question: string): Promise<void> {
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new Cancelled('nothing changed');
}

/**
 * Reads a whole secret from stdin, without the line break that `echo` adds. Throws `bad_request` where it is not UTF-8:
 * as text it would be another secret.
 */
export async function readSecret(): Promise<string> {
  const bytes = await readStdin(secretBytesMax);
  if (!isUtf8(bytes))
    throw new PlatformError('bad_request', 'standard input is not UTF-8 text', {
      hints: ['encode it, with base64 for instance'],
    });
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}

/** Reads standard input to its end. Throws `body_too_large` above `bytesMax` bytes. */
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
