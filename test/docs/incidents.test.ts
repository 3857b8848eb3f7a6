/** What the page on incidents says that an operator reads is what the platform writes. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/incidents.md'), 'utf8');
const code = globSync('{src,ui-cli}/**/*.ts', { cwd: root })
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n')
  // Not comments.
  .replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*/g, '');

const commands = /^(?:\.\/|curl|df|du|dig|dmesg|journalctl|kill|wasmcloud|trisiel|git|systemctl) ?/;
/** What other programs write. */
const ofOthers = ['tlsv1 alert internal error', 'no certificate', 'database or disk is full'];

/** Messages in backticks, each in the pieces around what differs: an ellipsis, numbers, names of signals. */
const quoted = [...page.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)]
  .map(([, text = '']) => text)
  .filter((text) => text.includes(' ') && !commands.test(text) && !ofOthers.includes(text));

it('messages are quoted', () => {
  expect(quoted).toEqual(expect.arrayContaining(['a runner ended', 'ended a runner of the platform', 'stopped: …']));
});

it.each(quoted)('%j is written', (text) => {
  const pieces = text
    .split(/…|\d+|[A-Z]{4,}/)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== '');
  expect(pieces.filter((piece) => !code.includes(piece))).toEqual([]);
});
