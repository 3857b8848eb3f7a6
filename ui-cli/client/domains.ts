/** Calls of the API about custom domains of handlers. */
import type { DomainView } from '../../src/protocol/domains.ts';
import * as answers from './answers.ts';
import { type Api, all, type CallOptions, handlerPath } from './api.ts';

export class DomainsClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns the domains of a handler, by name. */
  async list(handler: string, options?: CallOptions): Promise<readonly DomainView[]> {
    return all(async (after) => {
      const asked = { method: 'GET', path: domainsPath(handler), query: { after } } as const;
      const { domains, next } = await this.#api.call(answers.domains, asked, options);
      return { items: domains, next };
    });
  }

  /** Claims a domain for a handler; the platform looks its records up at once. */
  async add(handler: string, domain: string, options?: CallOptions): Promise<DomainView> {
    const asked = { method: 'POST', path: domainsPath(handler), body: { domain } } as const;
    return (await this.#api.call(answers.domain, asked, options)).domain;
  }

  /** Lets the platform look the records of a domain up now. */
  async check(handler: string, domain: string, options?: CallOptions): Promise<DomainView> {
    const asked = { method: 'POST', path: `${domainPath(handler, domain)}/check` } as const;
    return (await this.#api.call(answers.domain, asked, options)).domain;
  }

  /** Stops serving a handler under a domain. */
  async remove(handler: string, domain: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: domainPath(handler, domain) }, options);
  }
}

const domainsPath = (handler: string) => `${handlerPath(handler)}/domains`;
const domainPath = (handler: string, domain: string) => `${domainsPath(handler)}/${encodeURIComponent(domain)}`;
