/** A request for a Process, and a record of its answer. */
import type { HttpField, IncomingHttp } from '../../src/guest/kernel/incoming-http.ts';
import { Wakeup } from '../../src/guest/kernel/net/wakeup.ts';
import type { Resource } from '../../src/guest/kernel/resource.ts';
import { bytesSource, sink } from './run-guest.ts';

export interface RequestOptions {
  readonly method?: string;
  readonly pathWithQuery?: string | null;
  readonly authority?: string | null;
  readonly scheme?: 'http' | 'https';
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: string | Resource;
  readonly trailers?: Readonly<Record<string, string>>;
  /** Takes the body of the answer instead of the record. */
  readonly target?: Resource;
}

/** The body of an answer whose client takes `room` octets and then waits until there is more room. */
export class SlowClient {
  readonly #chunks: Uint8Array[] = [];
  readonly #changed = new Wakeup();
  readonly #full = Promise.withResolvers<void>();
  #room: number;
  /** Takes the body of the answer. */
  readonly target: Resource;

  constructor(room: number) {
    this.#room = room;
    this.target = {
      ...sink('stdout', this.#chunks),
      write: (bytes) => {
        if (this.#room === 0) {
          this.#full.resolve();
          return this.#changed.wait();
        }
        const part = bytes.slice(0, this.#room);
        this.#room -= part.length;
        this.#chunks.push(part);
        return part.length;
      },
      writable: () => {
        if (this.#room > 0) return null;
        this.#full.resolve();
        return this.#changed.wait();
      },
    };
  }

  /** What was taken so far. */
  get taken(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves when it has no room left and is asked for some. */
  get full(): Promise<void> {
    return this.#full.promise;
  }

  makeRoom(octets: number): void {
    this.#room = octets;
    this.#changed.wake();
  }
}

export class RecordedHttp implements IncomingHttp {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string | null;
  readonly pathWithQuery: string | null;
  readonly fields: readonly HttpField[];
  readonly body: Resource;
  /** Events, in order. */
  readonly events: unknown[] = [];
  readonly #trailers: readonly HttpField[];
  readonly #target: Resource;
  readonly #chunks: Uint8Array[] = [];

  constructor(options: RequestOptions = {}) {
    this.method = options.method ?? 'GET';
    this.scheme = options.scheme ?? 'http';
    this.authority = options.authority === undefined ? 'swift-otter.localhost:3003' : options.authority;
    this.pathWithQuery = options.pathWithQuery === undefined ? '/' : options.pathWithQuery;
    this.fields = toFields(options.fields ?? {});
    this.body = typeof options.body === 'object' ? options.body : bytesSource(options.body ?? '');
    this.#trailers = toFields(options.trailers ?? {});
    this.#target = options.target ?? sink('stdout', this.#chunks);
  }

  get answered(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  trailers(): readonly HttpField[] {
    return this.#trailers;
  }

  inform(status: number, fields: readonly HttpField[]): void {
    this.events.push(['inform', status, fromFields(fields)]);
  }

  answer(status: number, fields: readonly HttpField[]): Resource {
    this.events.push(['answer', status, fromFields(fields)]);
    return this.#target;
  }

  end(trailers: readonly HttpField[]): void {
    this.events.push(['end', fromFields(trailers)]);
  }

  breakOff(why: string): void {
    this.events.push(['breakOff', why]);
  }

  fail(error: string): void {
    this.events.push(['fail', error]);
  }
}

function toFields(fields: Readonly<Record<string, string>>): readonly HttpField[] {
  return Object.entries(fields).map(([name, value]) => [name, Buffer.from(value, 'latin1')]);
}

export function fromFields(fields: readonly (readonly [string, Uint8Array])[]): Record<string, string> {
  return Object.fromEntries(fields.map(([name, value]) => [name, Buffer.from(value).toString('latin1')]));
}
