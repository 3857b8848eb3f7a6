/**
 * The HTTP request that a Process answers through wasi:http, without CGI. The caller of the Process implements it: a
 * runner, or `wasmcloud run`.
 *
 *     --answer()--> head sent --body written, end()--> complete
 *        fail()--> an answer of the platform           breakOff()--> cut off
 */
import type { Resource } from './resource.ts';

/** One field of a header or trailer section: its name in lower case, the octets of its value. */
export type HttpField = readonly [name: string, value: Uint8Array];

export interface IncomingHttp {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** Host and port as the client wrote them; null without them. */
  readonly authority: string | null;
  /** Path and query of the request target that belong to the function: `/path?query`. */
  readonly pathWithQuery: string | null;
  readonly fields: readonly HttpField[];
  readonly body: Resource;
  /** Returns the trailers of the request. May be called once the body has been read to its end. */
  trailers(): readonly HttpField[];
  /** Sends an interim response. `status` is 100 to 199. May be called before answer() only. */
  inform(status: number, fields: readonly HttpField[]): void;
  /**
   * Starts the answer, once. `status` is 200 to 999. Returns the Resource that takes the body; it drops the bytes if
   * the answer has no body (HEAD, 204).
   */
  answer(status: number, fields: readonly HttpField[]): Resource;
  /** Ends the answer, once, after all written bytes. */
  end(trailers: readonly HttpField[]): void;
  /** Cuts the answer off, so that the client does not take it for complete. */
  breakOff(why: string): void;
  /**
   * Answers with an error of the platform, once, in place of answer(). `error` is the name of a case of error-code in
   * wasi:http, perhaps followed by what it carries; for the owner's log.
   */
  fail(error: string): void;
}
