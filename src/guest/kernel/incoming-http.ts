/**
 * The HTTP request that a Process answers without CGI in between (wasi:http). The caller of the Process implements it:
 * a runner, or `wasmcloud run`.
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
  /** Host and port as the client named them; null where it named none. */
  readonly authority: string | null;
  /** The part of the request target that is the function's: `/path?query`. */
  readonly pathWithQuery: string | null;
  readonly fields: readonly HttpField[];
  readonly body: Resource;
  /** Returns the trailers of the request; to be called once the body has been read to its end. */
  trailers(): readonly HttpField[];
  /** Sends an interim response. `status` is 100 to 199. To be called before answer(). */
  inform(status: number, fields: readonly HttpField[]): void;
  /**
   * Begins the answer, once. `status` is 200 to 999. Returns the Resource that takes the body; it may throw bytes away
   * where the answer has no body (HEAD, 204).
   */
  answer(status: number, fields: readonly HttpField[]): Resource;
  /** Ends the answer, once, behind all that was written. */
  end(trailers: readonly HttpField[]): void;
  /** Cuts the answer off so that the client does not take it for complete. */
  breakOff(why: string): void;
  /** Answers with an error of the platform, once, in place of answer(). `code` is a case of wasi:http error-code. */
  fail(code: string): void;
}
