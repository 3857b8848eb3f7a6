/**
 * Collects standard output of a function that a queue or a schedule has called: bytes, no CGI answer. Up to
 * `capturedBytes` are kept and returned to control when the function has ended well.
 */
import type { ServerResponse } from 'node:http';
import { Errno } from '../guest/kernel/errno.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import { lostOutputField } from '../protocol/trigger.ts';
import type { Finished } from './cgi-output.ts';
import { capturedBytes } from './limits.ts';

export class CapturedOutput implements Resource {
  readonly scheme = 'stdout';
  /** False: an exit status other than 0 is a failure, whatever was written. */
  readonly hasOutput = false;
  status = 0;
  bodyBytes = 0;
  readonly #response: ServerResponse;
  readonly #invocation: string;
  readonly #chunks: Buffer[] = [];
  /** Bytes in `#chunks`. */
  #kept = 0;

  constructor(response: ServerResponse, invocation: string) {
    this.#response = response;
    this.#invocation = invocation;
  }

  read(): number {
    return Errno.badDescriptor;
  }

  write(bytes: Uint8Array): number {
    const part = bytes.subarray(0, capturedBytes - this.#kept);
    if (part.length > 0) this.#chunks.push(Buffer.from(part));
    this.#kept += part.length;
    this.bodyBytes += bytes.length;
    return bytes.length;
  }

  flush(): number {
    return 0;
  }

  close(): number {
    return 0;
  }

  /** Does nothing: all output is sent at the end. */
  sendPending(): void {}

  /** Answers 200 with the collected output. */
  finish(): Finished {
    this.status = 200;
    const body = Buffer.concat(this.#chunks);
    const lost = this.bodyBytes - this.#kept;
    const fields = ['content-type', 'application/octet-stream', 'content-length', String(body.length)];
    if (lost > 0) fields.push(lostOutputField, String(lost));
    this.#response.writeHead(200, [...fields, 'trisiel-invocation', this.#invocation]).end(body);
    return { kind: 'sent', status: 200 };
  }

  /** Returns true: the platform may answer. */
  abandon(): boolean {
    return !this.#response.headersSent;
  }
}
