/**
 * What a push prints (docs/push.md): plain text, at most 72 columns, because git puts `remote: ` in
 * front and terminals have 80. What must be copied (a URL, a command) is never cut or broken.
 */

import { PlatformError } from '../../protocol/errors.ts';
import { isOutage, isUnreachable } from '../db/sql-error.ts';

const columns = 72;
const indent = '       ';

/** `-----> TEXT` */
export function step(text: string): string {
  return wrap({ head: '-----> ', next: indent, text });
}

/** A line below a step or an error. Columns move closer where it is too long, then the last goes below. */
export function detail(text: string): string {
  const line = `${indent}${visible(text).trimEnd()}`;
  if (line.length <= columns) return `${line}\n`;
  const close = `${indent}${line.trimStart().replace(/ {3,}/g, '  ')}`;
  const gap = close.lastIndexOf('  ');
  if (close.length <= columns || gap < indent.length) return `${close}\n`;
  return `${close.slice(0, gap).trimEnd()}\n${indent}  ${close.slice(gap).trimStart()}\n`;
}

/** git colours what starts with one of these words. */
export function warning(text: string): string {
  return wrap({ head: 'warning: ', next: indent, text });
}

/** A hint that is a command: never broken. */
export function commandHint(command: string, what: string): string {
  return `hint: ${visible(command)} ${what}\n`;
}

export function success(text: string, command: string): string {
  const line = `success: ${text} ${command}`;
  return line.length <= columns ? `${line}\n` : `success: ${text}\n${indent}${command}\n`;
}

/** The error, its details, its hints. */
export function errorText(error: PlatformError): string {
  return [
    wrap({ head: 'error: ', next: indent, text: error.message }),
    ...error.details.map(detail),
    // An indented hint is a command: as it is.
    ...error.hints.map((hint) =>
      hint.startsWith(' ') ? `hint: ${visible(hint)}\n` : wrap({ head: 'hint: ', next: 'hint:   ', text: hint }),
    ),
  ].join('');
}

/** The same for an error of any kind: what is not coded is ours, and its cause is for our log only. */
export function anyErrorText(error: unknown): string {
  if (error instanceof PlatformError) return errorText(error);
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || isOutage(error);
  return errorText(
    new PlatformError(
      full ? 'unavailable' : 'internal',
      full
        ? isUnreachable(error)
          ? 'the platform cannot store anything now: its database does not answer'
          : 'the platform cannot store anything now: its disk is full or fails'
        : 'something failed on our side',
      { hints: [full ? 'try again later; what is live stays live' : 'try again; the server log has the cause'] },
    ),
  );
}

/** Breaks at blanks; a word longer than a line stays whole. */
function wrap({ head, next, text }: { head: string; next: string; text: string }): string {
  const lines: string[] = [];
  let line = head;
  let empty = true;
  for (const word of visible(text).split(' ')) {
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

/** File names and messages come from the push: control and direction characters must not reach a terminal. */
export function visible(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A path that fits beside other words: its end tells more than its beginning. */
export function shortPath(path: string, charsMax = 40): string {
  const shown = visible(path);
  return shown.length <= charsMax ? shown : `...${shown.slice(3 - charsMax)}`;
}

export function shortCommit(oid: string): string {
  return oid.slice(0, 7);
}

/** `67 B`, `184 KiB`, `12.5 MiB` */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}

/** `+2 KiB`, `-300 B` */
export function sizeChange(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${size(Math.abs(bytes))}`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** `0.4 s` */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
