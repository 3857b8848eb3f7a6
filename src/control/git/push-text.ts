/**
 * Formats the text of a push (docs/push.md): plain text of at most 72 columns, because git adds `remote: ` and
 * terminals have 80. Text to copy (a URL, a command) is never cut or broken.
 */

import { PlatformError } from '../../protocol/errors.ts';
import { isOutage, isUnreachable } from '../db/sql-error.ts';

const columns = 72;
const indent = '       ';

/** Returns the line of one step: `-----> TEXT`. */
export function step(text: string): string {
  return wrap({ head: '-----> ', next: indent, text });
}

/**
 * Returns a line below a step or an error. If it is too long, its columns move closer, then the last column gets a line
 * of its own; a list without columns goes on in the next line after a comma.
 */
export function detail(text: string): string {
  const line = `${indent}${visible(text).trimEnd()}`;
  if (line.length <= columns) return `${line}\n`;
  const close = `${indent}${line.trimStart().replace(/ {3,}/g, '  ')}`;
  const gap = close.lastIndexOf('  ');
  if (close.length <= columns) return `${close}\n`;
  if (gap < indent.length) return wrap({ head: indent, next: `${indent}  `, text: close.trimStart(), at: ', ' });
  return `${close.slice(0, gap).trimEnd()}\n${indent}  ${close.slice(gap).trimStart()}\n`;
}

/** Returns a warning. git colours lines that start with `error`, `warning`, `hint`, `success`. */
export function warning(text: string): string {
  return wrap({ head: 'warning: ', next: indent, text });
}

/** Returns a hint that starts with a command to copy; it is never broken into lines. */
export function commandHint(command: string, what: string): string {
  return `hint: ${visible(command)} ${what}\n`;
}

/** Returns the last line of a push; `command` goes to a line of its own where both do not fit. */
export function success(text: string, command: string): string {
  const [what, how] = [visible(text), visible(command)];
  const line = `success: ${what} ${how}`;
  return line.length <= columns ? `${line}\n` : `success: ${what}\n${indent}${how}\n`;
}

/** Returns a hint of an error. An indented hint is a command and stays unchanged. */
export function hintLine(hint: string): string {
  return hint.startsWith(' ') ? `hint: ${visible(hint)}\n` : wrap({ head: 'hint: ', next: 'hint:   ', text: hint });
}

/** Returns an error with its details and hints. */
export function errorText(error: PlatformError): string {
  return [
    wrap({ head: 'error: ', next: indent, text: error.message }),
    ...error.details.map(detail),
    ...error.hints.map(hintLine),
  ].join('');
}

/**
 * Returns an error of any type. An error without a code is a failure of the platform, whose cause goes only to its own
 * log.
 */
export function anyErrorText(error: unknown): string {
  if (error instanceof PlatformError) return errorText(error);
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || isOutage(error);
  return errorText(
    new PlatformError(
      full ? 'unavailable' : 'internal',
      full
        ? isUnreachable(error)
          ? 'nothing can be stored now: the database does not answer'
          : 'the platform cannot store anything now: its disk is full or fails'
        : 'something failed on our side',
      { hints: [full ? 'try again later; what is live stays live' : 'try again; the server log has the cause'] },
    ),
  );
}

/**
 * Returns `head` and `text`, broken at blanks or behind each `, `, as `at` says, with `next` before every further line.
 * A longer part stays whole.
 */
function wrap(parts: { head: string; next: string; text: string; at?: ' ' | ', ' }): string {
  const { head, next, text, at = ' ' } = parts;
  const lines: string[] = [];
  let line = head;
  let empty = true;
  const words = visible(text).split(at);
  for (const [index, part] of words.entries()) {
    const word = index < words.length - 1 ? `${part}${at.trimEnd()}` : part;
    if (!empty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = next;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line].map((whole) => `${whole.trimEnd()}\n`).join('');
}

/**
 * Returns `text` with control and direction characters escaped: file names and messages come from the push, and must
 * not control a terminal.
 */
export function visible(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Returns a path of at most `charsMax` characters, cut at its beginning, since its end tells more. */
export function shortPath(path: string, charsMax = 40): string {
  const shown = visible(path);
  return shown.length <= charsMax ? shown : `...${shown.slice(3 - charsMax)}`;
}

export function shortCommit(oid: string): string {
  return oid.slice(0, 7);
}

/** Returns `67 B`, `184 KiB`, `12.5 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}

/** Returns `+2 KiB`, `-300 B`. */
export function sizeChange(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${size(Math.abs(bytes))}`;
}

/** Returns `1 import`, `3 imports`: `n` and the noun, with `s` unless `n` is 1. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** Returns `0.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
