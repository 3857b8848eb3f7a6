/** Calls of the API about who works on a handler, and its transfer to another owner. */
import { PlatformError } from '../../src/protocol/errors.ts';
import type { CollaboratorRole } from '../../src/protocol/nouns.ts';
import type { CollaboratorView, HandlerView, TransferView } from '../../src/protocol/views.ts';
import * as answers from './answers.ts';
import { type Api, all, type CallOptions, handlerPath } from './api.ts';

export class TeamsClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  async collaborators(handler: string, options?: CallOptions): Promise<readonly CollaboratorView[]> {
    return all(async (after) => {
      const asked = { method: 'GET', path: `${handlerPath(handler)}/collaborators`, query: { after } } as const;
      const { collaborators, next } = await this.#api.call(answers.collaborators, asked, options);
      return { items: collaborators, next };
    });
  }

  /** Gives a user a role on a handler, or another one. */
  async setRole(
    handler: string,
    { user, role }: { readonly user: string; readonly role: CollaboratorRole },
    options?: CallOptions,
  ): Promise<CollaboratorView> {
    const asked = { method: 'PUT', path: collaboratorPath(handler, user), body: { role } } as const;
    return (await this.#api.call(answers.collaborator, asked, options)).collaborator;
  }

  async remove(handler: string, user: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: collaboratorPath(handler, user) }, options);
  }

  /** Gives up the user's own role on a handler. */
  async leave(handler: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: `${handlerPath(handler)}/membership` }, options);
  }

  /** Returns to whom the handler is offered; null: to nobody. */
  async offerOf(handler: string, options?: CallOptions): Promise<TransferView | null> {
    try {
      return (await this.#api.call(answers.transfer, { method: 'GET', path: transferPath(handler) }, options)).transfer;
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'not_found') return null;
      throw error;
    }
  }

  /** Offers a handler to another user, who becomes its owner by accepting. */
  async offer(handler: string, to: string, options?: CallOptions): Promise<TransferView> {
    const asked = { method: 'POST', path: transferPath(handler), body: { to } } as const;
    return (await this.#api.call(answers.transfer, asked, options)).transfer;
  }

  async withdraw(handler: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: transferPath(handler) }, options);
  }

  /** Returns handlers that are offered to the user. */
  async offers(options?: CallOptions): Promise<readonly TransferView[]> {
    return all(async (after) => {
      const asked = { method: 'GET', path: '/transfers', query: { after } } as const;
      const { transfers, next } = await this.#api.call(answers.transfers, asked, options);
      return { items: transfers, next };
    });
  }

  async accept(handler: string, options?: CallOptions): Promise<HandlerView> {
    const path = `${offeredPath(handler)}/accept`;
    return (await this.#api.call(answers.handler, { method: 'POST', path }, options)).handler;
  }

  async decline(handler: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: offeredPath(handler) }, options);
  }
}

const transferPath = (handler: string) => `${handlerPath(handler)}/transfer`;
const offeredPath = (handler: string) => `/transfers/${encodeURIComponent(handler)}`;
const collaboratorPath = (handler: string, user: string) =>
  `${handlerPath(handler)}/collaborators/${encodeURIComponent(user)}`;
