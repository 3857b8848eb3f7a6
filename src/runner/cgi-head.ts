/**
 * Parses the header block of a function's answer (RFC 3875 section 6) and decides how to answer. Each call gets the
 * whole output so far, so the sizes of the guest's writes make no difference.
 */
import { runnerLimits } from '../protocol/limits.ts';
import { isPlatformField } from '../protocol/platform-fields.ts';
import { actsOnOrigin } from './shared-origin.ts';

/** Characters of a field name. Output whose first line begins with a longer token is plain text. */
const nameCharsMax = 256;
const statusMin = 200;
const statusMax = 599;

const colon = 0x3a;
const newline = 0x0a;
const carriageReturn = 0x0d;
const slash = 0x2f;

/** RFC 9110 section 5.6.2, tchar. */
const isTokenByte = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  isTokenByte[char.charCodeAt(0)] = 1;

const isLetter = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ') isLetter[char.charCodeAt(0)] = 1;

/** RFC 9110 section 5.5, field-value: visible characters, obs-text, space and tab. */
const badValue = /[^\t\x20-\x7e\x80-\xff]/;

/** Fields of a connection (RFC 9110 section 7.6.1), and fields that only the server sets (RFC 3875 section 6.3.4). */
const serversOwn = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export type CgiHead =
  /** The bytes so far do not decide. */
  | { readonly kind: 'more' }
  /** The output does not start with a header line: it is the body of a plain-text 200. */
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'head';
      readonly status: number;
      /** Reason phrase; '' for the status's usual one. */
      readonly reason: string;
      /** Fields as name, value, name, value… as the guest wrote them. */
      readonly headers: readonly string[];
      /** Whether a field acts on more than this answer: see shared-origin.ts. */
      readonly actsOnOrigin: boolean;
      /** Declared length of the body; null: the guest declares none. */
      readonly contentLength: number | null;
      /** Path to answer as if it had been requested (RFC 3875 section 6.2.2); null: none. */
      readonly localRedirect: string | null;
      /** Bytes before the body. */
      readonly bodyStart: number;
    }
  | { readonly kind: 'bad'; readonly message: string };

const more: CgiHead = { kind: 'more' };
const plain: CgiHead = { kind: 'plain' };

/** The last parsed head of a function: most functions write the same head every time. */
export interface HeadMemo {
  block: string;
  head: CgiHead | null;
}

export class CgiHeadParser {
  readonly #memo: HeadMemo;
  /** Start of the block that decides, after blocks of status 1xx. */
  #start = 0;
  /** Offset before which the end of the block was not found. */
  #scanned = 0;
  #isHeader = false;

  constructor(memo: HeadMemo = { block: '', head: null }) {
    this.#memo = memo;
  }

  /**
   * Parses the head of an output. The first `length` bytes of `output` are all that was written so far; `isComplete`:
   * no more follows.
   */
  parse(output: Buffer, length: number, isComplete: boolean): CgiHead {
    for (;;) {
      if (!this.#isHeader) {
        const first = firstLine(output, length, isComplete);
        if (first !== 'header') return first === 'plain' ? plain : more;
        this.#isHeader = true;
      }
      const end = this.#endOfBlock(output, length);
      if (end === null) {
        if (length - this.#start > runnerLimits.headerBytes) return tooLarge();
        if (isComplete) return bad('the header block is not ended by an empty line');
        return more;
      }
      if (end.bodyStart - this.#start > runnerLimits.headerBytes) return tooLarge();
      const head = this.#read(output.toString('latin1', this.#start, end.bodyStart), end.blockEnd, end.bodyStart);
      if (head !== 'informational') return head;
      // RFC 9110 section 15.2: an interim answer, before the final one. Its bytes count towards the limit.
      if (end.bodyStart > runnerLimits.headerBytes) return tooLarge();
      this.#start = end.bodyStart;
      this.#scanned = end.bodyStart;
    }
  }

  /** Parses `block`, including its final empty line, so that equal blocks are equal in every byte. */
  #read(block: string, blockEnd: number, bodyStart: number): CgiHead | 'informational' {
    const memo = this.#memo;
    if (memo.head !== null && this.#start === 0 && memo.block === block) return memo.head;
    const head = readBlock(block.slice(0, blockEnd - this.#start), bodyStart);
    if (head !== 'informational' && this.#start === 0) {
      memo.block = block;
      memo.head = head;
    }
    return head;
  }

  /** Finds the first empty line; returns the end of the block's last line and the start of the body. */
  #endOfBlock(output: Buffer, length: number): { blockEnd: number; bodyStart: number } | null {
    let at = this.#scanned;
    for (;;) {
      const end = output.indexOf(newline, at);
      if (end < 0 || end >= length) return null;
      const next = end + 1;
      if (next < length && output[next] === newline) return { blockEnd: end, bodyStart: next + 1 };
      if (next + 1 < length && output[next] === carriageReturn && output[next + 1] === newline)
        return { blockEnd: end, bodyStart: next + 2 };
      if (next + 1 >= length) {
        this.#scanned = end;
        return null;
      }
      at = next;
    }
  }
}

/**
 * Decides whether the output begins with a header line: a field name that begins with a letter, then a colon. A time of
 * day (`12:30:45`) and a URL (`https://…`) begin plain text.
 */
function firstLine(output: Buffer, length: number, isComplete: boolean): 'header' | 'plain' | 'more' {
  if (length > 0 && isLetter[output[0] as number] === 0) return 'plain';
  for (let i = 0; i < length; i++) {
    const byte = output[i] as number;
    if (byte === colon) {
      if (i + 2 >= length && !isComplete) return 'more';
      return i + 2 < length && output[i + 1] === slash && output[i + 2] === slash ? 'plain' : 'header';
    }
    if (isTokenByte[byte] === 0 || i >= nameCharsMax) return 'plain';
  }
  return isComplete ? 'plain' : 'more';
}

/** Parses `block` without its final empty line. */
function readBlock(block: string, bodyStart: number): CgiHead | 'informational' {
  let status: number | null = null;
  let reason = '';
  let location: string | null = null;
  let contentLength: number | null = null;
  let hasType = false;
  let acts = false;
  const headers: string[] = [];
  let number = 0;
  for (let at = 0; at <= block.length; ) {
    let end = block.indexOf('\n', at);
    if (end < 0) end = block.length;
    const line = block.charCodeAt(end - 1) === carriageReturn ? block.slice(at, end - 1) : block.slice(at, end);
    at = end + 1;
    number += 1;
    const separator = line.indexOf(':');
    if (separator <= 0 || !isToken(line, separator)) return bad(`line ${number} of the header block is no header line`);
    const name = line.slice(0, separator);
    const value = withoutOuterSpace(line, separator + 1);
    if (badValue.test(value)) return bad(`the value of ${name} holds a character that no header may hold`);
    const lower = name.toLowerCase();
    switch (lower) {
      case 'status': {
        if (status !== null) return bad('Status is given twice');
        const match = /^(\d{3})(?:[ \t]+(.*))?$/.exec(value);
        status = Number(match?.[1]);
        reason = match?.[2] ?? '';
        if (match === null || status < 100 || status > statusMax)
          return bad(`Status: ${JSON.stringify(value.slice(0, 40))} is not a number from ${statusMin} to ${statusMax}`);
        break;
      }
      case 'location':
        if (location !== null) return bad('Location is given twice');
        if (value === '') return bad('Location is empty');
        location = value;
        headers.push(name, value);
        break;
      case 'content-type':
        if (hasType) return bad('Content-Type is given twice');
        hasType = true;
        headers.push(name, value);
        break;
      case 'content-length':
        if (contentLength !== null) return bad('Content-Length is given twice');
        if (!/^\d{1,15}$/.test(value)) return bad('Content-Length is no number of bytes');
        contentLength = Number(value);
        break;
      default:
        if (serversOwn.has(lower) || isPlatformField(lower)) break;
        headers.push(name, value);
        acts ||= actsOnOrigin(lower);
    }
  }
  if (status !== null && status < statusMin) return 'informational';
  const isLocal = location !== null && /^\/(?!\/)/.test(location) && number === 1;
  return {
    kind: 'head',
    status: status ?? (location === null ? 200 : 302),
    reason,
    headers,
    actsOnOrigin: acts,
    contentLength,
    localRedirect: isLocal ? location : null,
    bodyStart,
  };
}

function isToken(line: string, length: number): boolean {
  for (let i = 0; i < length; i++) if (isTokenByte[line.charCodeAt(i)] !== 1) return false;
  return true;
}

/**
 * Removes optional white space at both ends (RFC 9110 section 5.6.3, OWS): space and tab only, so that obs-text such as
 * 0xa0 stays.
 */
function withoutOuterSpace(line: string, start: number): string {
  let end = line.length;
  while (start < end && isSpace(line.charCodeAt(start))) start += 1;
  while (end > start && isSpace(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function bad(message: string): CgiHead {
  return { kind: 'bad', message };
}

function tooLarge(): CgiHead {
  return bad(`the header block is larger than ${runnerLimits.headerBytes} bytes`);
}
