/** Calls of the API about drains of a handler, or of the server. */
import type { DrainView } from '../../src/protocol/views.ts';
import * as answers from './answers.ts';
import { type Api, type CallOptions, handlerPath } from './api.ts';

export class DrainsClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns the drains of a handler, or of the server (null). */
  async list(name: string | null, options?: CallOptions): Promise<readonly DrainView[]> {
    return (await this.#api.call(answers.drains, { method: 'GET', path: drainsPath(name) }, options)).drains;
  }

  /** Makes a drain, or gives it other settings. Throws `bad_request`, `limit_exceeded`. */
  put(name: string | null, drain: string, settings: unknown, options?: CallOptions): Promise<DrainView> {
    const path = `${drainsPath(name)}/${encodeURIComponent(drain)}`;
    return this.#api.call(answers.drain, { method: 'PUT', path, body: settings }, options);
  }

  async remove(name: string | null, drain: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: `${drainsPath(name)}/${encodeURIComponent(drain)}` }, options);
  }
}

const drainsPath = (name: string | null) => (name === null ? '/drains' : `${handlerPath(name)}/drains`);
