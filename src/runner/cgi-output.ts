/**
 * Sends a function's standard output to the client: the part before the body is parsed as a CGI header block, the body
 * is streamed. Small complete answers are sent in one piece with Content-Length.
 *
 * head --commit: the head is sent--> body --finish--> done
 * | |                                |
 * | +--commit: no body follows--> swallow --finish--> done
 * |                                  |
 * +--finish: head and body at once---|--------------> done
 * |
 * any of them ------------------------+--abandon-----> done
 *
 * swallow: further output is dropped, because the answer has no body (HEAD, 204, 205, 304) or another path is answered
 * instead (a local redirect). abandon: the Process failed; if nothing has been sent, the platform answers.
 */
import type { ServerResponse } from 'node:http';
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import { runnerLimits } from '../protocol/limits.ts';
import { type CgiHead, CgiHeadParser, type HeadMemo } from './cgi-head.ts';
import { type SharedOrigin, withoutForeign } from './shared-origin.ts';

/** Bytes of the first buffer; most answers are small. */
const firstBytes = 4096;
/** Bytes copied out of guest memory at a time, so that a huge write does not make a huge buffer. */
const chunkBytes = 64 * 1024;

const emptyBuffer: Buffer = Buffer.alloc(0);

/** Status codes whose answer has no body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5). */
const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304;

/** Part of the Invocation that its output uses. */
export interface CgiOutputHost {
  readonly response: ServerResponse;
  /** Id of the Invocation. */
  readonly id: string;
  readonly isHead: boolean;
  /** Value of a Set-Cookie field of the platform's own; null: none. */
  readonly cookie: string | null;
  readonly headMemo: HeadMemo;
  readonly origin: SharedOrigin;
  /** Tells the owner that a part of the answer was left out. */
  warn(message: string): void;
  /** Ends the Process as bad_cgi_output: the output breaks the contract. */
  badOutput(message: string): void;
  /** Arranges that `commit` of `output` is called at the end of this turn of the event loop. */
  flushWanted(output: CgiOutput): void;
}

/**
 * First buffers for reuse: a small answer is sent as a string, which frees its buffer. Bytes beyond an output's own
 * length are never read.
 */
const spareBuffers: Buffer[] = [];
const spareBuffersMax = 256;

/** A head that does not come from a parsed header block. */
type GivenHead = Extract<CgiHead, { readonly kind: 'head' }>;

/** What the Invocation must do next. */
export type Finished =
  | { readonly kind: 'sent'; readonly status: number }
  | { readonly kind: 'redirect'; readonly path: string }
  /** `code`: error code for the caller; absent: bad_cgi_output. */
  | { readonly kind: 'bad'; readonly message: string; readonly code?: ErrorCode };

export class CgiOutput implements Resource {
  readonly scheme = 'stdout';
  readonly #host: CgiOutputHost;
  readonly #response: ServerResponse;
  #parser: CgiHeadParser | null = null;
  /** Head passed to begin(), after which all output is body; null: none. */
  #given: GivenHead | null = null;
  #state: 'head' | 'body' | 'swallow' | 'done' = 'head';
  #buffer: Buffer = emptyBuffer;
  /** Bytes used of `#buffer`. */
  #length = 0;
  #flushWanted = false;
  #status = 0;
  /** Bytes of the declared Content-Length that have not been written yet; null: none is declared. */
  #promised: number | null = null;
  #redirect: string | null = null;
  #drained: Promise<void> | null = null;
  /** Bytes of body taken from the guest so far. */
  bodyBytes = 0;

  constructor(host: CgiOutputHost) {
    this.#host = host;
    this.#response = host.response;
  }

  get isHeadSent(): boolean {
    return this.#response.headersSent;
  }

  /** Whether there is any output, sent or not. */
  get hasOutput(): boolean {
    return this.#length > 0 || this.#given !== null || this.#state !== 'head';
  }

  /** Status of the answer that has been sent; 0 before that. */
  get status(): number {
    return this.#status;
  }

  /** Sets the head of the answer, before any write; the output then has no header block. */
  begin(head: GivenHead): void {
    this.#given = head;
  }

  read(): number {
    return Errno.badDescriptor;
  }

  write(bytes: Uint8Array): number | Promise<void> {
    if (this.#state === 'done') return Errno.closed;
    if (this.#state === 'swallow') return bytes.length;
    if (this.#response.writableLength >= runnerLimits.outputBytes) return this.#waitForRoom();
    if (this.#state === 'head') return this.#keep(bytes);
    // Sends a large write directly, and collects small ones.
    if (this.#length === 0 && bytes.length >= runnerLimits.flushBytes) {
      const part = bytes.length > chunkBytes ? bytes.subarray(0, chunkBytes) : bytes;
      this.#sendBody(Buffer.from(part), false);
      return part.length;
    }
    return this.#keep(bytes);
  }

  /**
   * Sends the buffered output at the end of this turn of the event loop. A guest that exits in the same turn still
   * gets a single response with Content-Length.
   */
  flush(): number {
    if (this.#state === 'done') return Errno.closed;
    if (!this.#flushWanted && this.#state !== 'swallow') {
      this.#flushWanted = true;
      this.#host.flushWanted(this);
    }
    return 0;
  }

  /** Flushes if any output is buffered: for a guest that begins to wait. */
  sendPending(): void {
    if (this.#length > 0) this.flush();
  }

  close(): number {
    return this.flush();
  }

  writable(): Promise<void> | null {
    return this.#response.writableLength >= runnerLimits.outputBytes ? this.#waitForRoom() : null;
  }

  /** Sends the buffered output, if it can be sent already. */
  commit(): void {
    this.#flushWanted = false;
    if (this.#state === 'head') {
      const head = this.#parse(false);
      if (head.kind === 'more') return;
      if (head.kind === 'bad') {
        this.#host.badOutput(head.message);
        return;
      }
      if (head.kind === 'head' && head.localRedirect !== null) {
        this.#swallow(head.localRedirect);
        return;
      }
      const body = this.#begin(head, null);
      // `swallow`: the answer has no body, whatever the guest writes.
      if (body === null) return;
      this.#take(body);
      return;
    }
    if (this.#state === 'body' && this.#length > 0) this.#take(this.#buffer.subarray(0, this.#length));
  }

  /** Ends the answer of a guest that has ended well. */
  finish(): Finished {
    if (this.#state === 'done') return { kind: 'sent', status: this.#status };
    if (this.#redirect !== null) {
      this.#state = 'done';
      return { kind: 'redirect', path: this.#redirect };
    }
    if (this.#state === 'head') return this.#finishWhole();
    if (this.#state === 'swallow') {
      this.#state = 'done';
      return { kind: 'sent', status: this.#status };
    }
    const last = this.#length > 0 ? this.#buffer.subarray(0, this.#length) : null;
    if (this.#promised !== null && this.#promised !== (last?.length ?? 0)) {
      return {
        kind: 'bad',
        message: `Content-Length promised ${this.#promised - (last?.length ?? 0)} more bytes of body`,
      };
    }
    this.#state = 'done';
    if (last === null) this.#response.end();
    else {
      this.bodyBytes += last.length;
      this.#response.end(last);
    }
    return { kind: 'sent', status: this.#status };
  }

  /**
   * Gives up the answer of a Process that has failed. Returns true when nothing has been sent, so that the platform may
   * answer.
   */
  abandon(): boolean {
    this.#state = 'done';
    return !this.#response.headersSent;
  }

  #finishWhole(): Finished {
    const head = this.#parse(true);
    if (head.kind === 'bad') return { kind: 'bad', message: head.message };
    if (head.kind === 'head' && head.localRedirect !== null) {
      this.#state = 'done';
      return { kind: 'redirect', path: head.localRedirect };
    }
    const bodyStart = head.kind === 'head' ? head.bodyStart : 0;
    const size = this.#length - bodyStart;
    const declared = head.kind === 'head' ? head.contentLength : null;
    const isEmpty = this.#host.isHead || (head.kind === 'head' && hasNoBody(head.status));
    if (declared !== null && !isEmpty && declared !== size) {
      return { kind: 'bad', message: `Content-Length says ${declared}, the body has ${size} bytes` };
    }
    this.#begin(head, size);
    this.#state = 'done';
    this.bodyBytes += size;
    // A latin1 string is joined with the head into one write; the bytes are the same.
    if (isEmpty || size === 0) this.#response.end();
    else this.#response.end(this.#buffer.toString('latin1', bodyStart, this.#length), 'latin1');
    if (this.#buffer.length === firstBytes && spareBuffers.length < spareBuffersMax) spareBuffers.push(this.#buffer);
    this.#buffer = emptyBuffer;
    return { kind: 'sent', status: this.#status };
  }

  #parse(isComplete: boolean): CgiHead {
    if (this.#given !== null) return this.#given;
    this.#parser ??= new CgiHeadParser(this.#host.headMemo);
    return this.#parser.parse(this.#buffer, this.#length, isComplete);
  }

  /**
   * Sends the head. `size`: bytes of the whole body, if known. Returns the body so far; null: the answer has no body.
   */
  #begin(head: CgiHead, size: number | null): Buffer | null {
    const flat: string[] = [];
    let bodyStart = 0;
    let reason = '';
    let declared: number | null = null;
    this.#status = 200;
    if (head.kind === 'head') {
      flat.push(...(head.actsOnOrigin ? this.#withoutForeign(head.headers) : head.headers));
      bodyStart = head.bodyStart;
      reason = head.reason;
      declared = head.contentLength;
      this.#status = head.status;
    } else flat.push('content-type', 'text/plain; charset=utf-8');
    const noBody = hasNoBody(this.#status);
    // RFC 9110 section 8.6: no Content-Length with 204; with 304 only the guest's own. Section 15.3.6: 0 with 205.
    const length = this.#status === 205 ? 0 : (declared ?? (noBody ? null : size));
    if (length !== null && this.#status !== 204) flat.push('content-length', String(length));
    flat.push('trisiel-invocation', this.#host.id);
    if (this.#host.cookie !== null) flat.push('set-cookie', this.#host.cookie);
    if (reason === '') this.#response.writeHead(this.#status, flat);
    else this.#response.writeHead(this.#status, reason, flat);
    if (noBody || this.#host.isHead) {
      if (size === null) {
        // The answer is complete; the guest may go on writing.
        this.#response.end();
        this.#state = 'swallow';
        this.#length = 0;
      }
      return null;
    }
    this.#promised = declared;
    this.#state = 'body';
    return this.#buffer.subarray(bodyStart, this.#length);
  }

  #withoutForeign(all: readonly string[]): readonly string[] {
    const { headers, dropped } = withoutForeign(all, this.#host.origin);
    for (const reason of dropped) this.#host.warn(reason);
    return headers;
  }

  #swallow(redirect: string): void {
    this.#redirect = redirect;
    this.#state = 'swallow';
    this.#length = 0;
  }

  /** Sends `part` of the output's own buffer, which is given away and replaced. */
  #take(part: Buffer): void {
    this.#buffer = emptyBuffer;
    this.#length = 0;
    // flushHeaders() would write the head as UTF-8, but its bytes are latin1.
    if (part.length === 0) this.#response.write(emptyBuffer);
    else this.#sendBody(part, true);
  }

  #sendBody(part: Buffer, isFlushed: boolean): void {
    if (this.#promised !== null) {
      if (part.length > this.#promised) {
        this.#host.badOutput('the body is longer than its Content-Length');
        return;
      }
      this.#promised -= part.length;
    }
    this.bodyBytes += part.length;
    this.#response.write(part);
    if (isFlushed) this.#flushWanted = false;
  }

  #keep(bytes: Uint8Array): number {
    const room = (this.#state === 'head' ? runnerLimits.headerBytes : 0) + runnerLimits.flushBytes - this.#length;
    const part = bytes.length > room ? bytes.subarray(0, room) : bytes;
    const needed = this.#length + part.length;
    if (needed > this.#buffer.length) {
      const larger =
        needed <= firstBytes
          ? (spareBuffers.pop() ?? Buffer.allocUnsafeSlow(firstBytes))
          : Buffer.allocUnsafe(needed * 2);
      if (this.#length > 0) larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = needed;
    if (needed > runnerLimits.flushBytes || (needed === runnerLimits.flushBytes && this.#state === 'body'))
      this.commit();
    return part.length;
  }

  #waitForRoom(): Promise<void> {
    this.#drained ??= new Promise((resolve) => {
      const response = this.#response;
      // Without either event the guest waits for its deadline; a client that goes away ends the Process.
      const done = (): void => {
        response.off('drain', done);
        response.off('close', done);
        this.#drained = null;
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
    return this.#drained;
  }
}
