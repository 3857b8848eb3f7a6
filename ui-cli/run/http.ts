/**
 * `--request METHOD PATH` for a component with wasi:http: makes the request, and prints the answer in the form of a CGI
 * program: header lines, an empty line, the body.
 */
import type { HttpField, IncomingHttp } from '../../src/guest/kernel/incoming-http.ts';
import type { Resource } from '../../src/guest/kernel/resource.ts';
import { nullResource } from '../../src/guest/kernel/resources/null.ts';
import type { SimulatedRequest } from './cgi.ts';

/** Status codes whose answer has no body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5). */
export const bodiless: readonly number[] = [204, 205, 304];

export class PrintedAnswer implements IncomingHttp {
  readonly method: string;
  readonly scheme = 'http';
  readonly authority = 'localhost:3003';
  readonly pathWithQuery: string;
  readonly fields: readonly HttpField[];
  readonly body: Resource;
  readonly #print: (text: string) => void;
  readonly #stdout: Resource;
  #state: 'waiting' | 'begun' | 'ended' = 'waiting';
  /** Why the answer is incomplete; null: no problem is known. */
  #problem: string | null = null;

  /** `print` writes text to the same place as `stdout`, in order. */
  constructor(
    { method, path }: SimulatedRequest,
    streams: {
      readonly body: Resource;
      readonly bodyBytes: number;
      readonly stdout: Resource;
      readonly print: (text: string) => void;
    },
  ) {
    this.method = method;
    this.pathWithQuery = path;
    this.body = streams.body;
    this.#stdout = streams.stdout;
    this.#print = streams.print;
    this.fields = streams.bodyBytes > 0 ? [['content-length', Buffer.from(String(streams.bodyBytes))]] : [];
  }

  trailers(): readonly HttpField[] {
    return [];
  }

  inform(status: number, fields: readonly HttpField[]): void {
    this.#print(head(status, fields));
  }

  answer(status: number, fields: readonly HttpField[]): Resource {
    this.#state = 'begun';
    this.#print(head(status, fields));
    return this.method === 'HEAD' || bodiless.includes(status) ? nullResource : this.#stdout;
  }

  end(trailers: readonly HttpField[]): void {
    this.#state = 'ended';
    if (trailers.length > 0) this.#print(`\n${trailers.map(line).join('')}`);
  }

  breakOff(why: string): void {
    this.#problem ??= why;
  }

  fail(error: string): void {
    this.#state = 'ended';
    this.#problem = `the component answered with the error ${error}`;
  }

  /** Problem of the answer of a component that has returned; null: the answer is complete. */
  get problem(): string | null {
    if (this.#problem !== null || this.#state === 'ended') return this.#problem;
    return this.#state === 'waiting'
      ? 'the component returned without an answer: neither response-outparam.set (0.2) nor task.return (0.3) was called'
      : 'the component returned before the body of its answer was finished';
  }
}

function head(status: number, fields: readonly HttpField[]): string {
  return `Status: ${status}\n${fields.map(line).join('')}\n`;
}

function line([name, value]: HttpField): string {
  return `${name}: ${Buffer.from(value).toString('latin1')}\n`;
}
