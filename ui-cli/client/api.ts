/** Sends requests below /api/v1 and parses their answers, for the clients of all subjects. */
import type * as z from 'zod/mini';
import { type ApiRequest, download, notOurs, parseJson, request, type Target, upload } from './http.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of calls about a branch. `branch`: the call concerns this branch's preview; null: the handler itself. */
export interface BranchOptions extends CallOptions {
  readonly branch?: string | null | undefined;
}

/** One page of a list. `next`: value of `after` for the next page; null: this is the last one. */
export interface ItemPage<T, Cursor> {
  readonly items: readonly T[];
  readonly next: Cursor | null;
}

/** Takes the bytes of an export as they arrive. */
export type TakeBytes = (bytes: AsyncIterable<Uint8Array>) => Promise<void>;

export class Api {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  /** Sends a request and parses its answer. Throws PlatformError for every failure, also for an unexpected answer. */
  async call<T>(type: z.ZodMiniType<T>, asked: ApiRequest, options?: CallOptions): Promise<T> {
    return this.#parse(type, await this.send(asked, options));
  }

  /** Sends a request; returns the answer's text. */
  send(asked: ApiRequest, options?: CallOptions): Promise<string> {
    return request(this.target, below(asked, options));
  }

  /** Uploads a body of any length and parses the answer; only the caller's signal limits the time. */
  async upload<T>(type: z.ZodMiniType<T>, asked: ApiRequest, options?: CallOptions): Promise<T> {
    return this.#parse(type, await upload(this.target, below(asked, options)));
  }

  /** Passes the bytes of an answer of any length to `take` as they arrive; only the caller's signal limits the time. */
  download(asked: ApiRequest, take: TakeBytes, options?: CallOptions): Promise<void> {
    return download(this.target, below({ ...asked, accept: '*/*' }, options), take);
  }

  #parse<T>(type: z.ZodMiniType<T>, text: string): T {
    const answer = type.safeParse(parseJson(text, this.target.server));
    if (answer.success) return answer.data;
    const issue = answer.error.issues[0];
    throw notOurs(this.target.server, `${issue?.path.join('.') || 'the answer'}: ${issue?.message ?? 'unexpected'}`);
  }
}

function below(asked: ApiRequest, options: CallOptions | undefined): ApiRequest {
  const signal = options?.signal;
  return { ...asked, path: `/api/v1${asked.path}`, ...(signal === undefined ? {} : { signal }) };
}

/** Requests one page after the other; resolves to the items of all pages. */
export async function all<T>(page: (after: string | undefined) => Promise<ItemPage<T, string>>): Promise<readonly T[]> {
  const found: T[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await page(after);
    found.push(...items);
    if (next === null) return found;
    after = next;
  }
}

/** Returns the path of a handler below /api/v1. */
export const handlerPath = (name: string) => `/handlers/${encodeURIComponent(name)}`;
