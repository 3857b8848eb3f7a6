/** Calls of the API about users, their Tokens and invites, and the audit. */
import type { TokenScope } from '../../src/protocol/nouns.ts';
import type { AccountView, AuditEntry, InviteView, TokenView } from '../../src/protocol/views.ts';
import * as answers from './answers.ts';
import { type Api, all, type CallOptions, handlerPath, type ItemPage, type TakeBytes } from './api.ts';
import type { ApiRequest } from './http.ts';

/** Rights and lifetime of a new Token. */
export interface TokenTerms {
  readonly label: string;
  readonly scope?: TokenScope | undefined;
  /** Name of the only handler that the Token is valid for; absent: all handlers of its user. */
  readonly handler?: string | undefined;
  readonly expiresInDays?: number | undefined;
}

/** Changes of a user by an administrator. null restores the platform's limit. */
export interface AccountChange {
  readonly suspended?: boolean | undefined;
  readonly admin?: boolean | undefined;
  readonly handlersMax?: number | null | undefined;
  readonly quotaBytes?: number | null | undefined;
  readonly callsMax?: number | null | undefined;
  readonly secondFactor?: false | undefined;
}

/** Selects entries of the audit. */
export interface AuditQuery {
  readonly user?: string | undefined;
  readonly operation?: string | undefined;
  /** Number of an entry: only older ones; in an export, only newer ones. */
  readonly after?: number | undefined;
  /** Most entries of the answer. */
  readonly limit?: number | undefined;
}

export class AccountsClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns a page of the users of the platform, by name, for administrators. */
  async userPage(after: string | null, options?: CallOptions): Promise<ItemPage<AccountView, string>> {
    const asked: ApiRequest = { method: 'GET', path: '/users', query: { after: after ?? undefined } };
    const { users, next } = await this.#api.call(answers.accounts, asked, options);
    return { items: users, next };
  }

  /** Returns users of the platform, by name, for administrators. `search`: only names that contain it. */
  async users(search?: string, options?: CallOptions): Promise<readonly AccountView[]> {
    return all(async (after) => {
      const asked: ApiRequest = { method: 'GET', path: '/users', query: { after, search } };
      const { users, next } = await this.#api.call(answers.accounts, asked, options);
      return { items: users, next };
    });
  }

  async user(name: string): Promise<AccountView> {
    return (await this.#api.call(answers.account, { method: 'GET', path: userPath(name) })).user;
  }

  async changeUser(name: string, change: AccountChange, options?: CallOptions): Promise<AccountView> {
    const asked: ApiRequest = { method: 'PATCH', path: userPath(name), body: change };
    return (await this.#api.call(answers.account, asked, options)).user;
  }

  /** Deletes a user for good. Throws `conflict` when the user owns functions or queues. */
  async deleteUser(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: userPath(name) }, options);
  }

  async tokens(options?: CallOptions): Promise<readonly TokenView[]> {
    return all(async (after) => {
      const asked: ApiRequest = { method: 'GET', path: '/tokens', query: { after } };
      const { tokens, next } = await this.#api.call(answers.tokens, asked, options);
      return { items: tokens, next };
    });
  }

  /** Makes a Token; the Token itself is shown only once. */
  async createToken(
    terms: TokenTerms,
    options?: CallOptions,
  ): Promise<{ readonly token: string; readonly view: TokenView }> {
    return this.#api.call(answers.newToken, { method: 'POST', path: '/tokens', body: terms }, options);
  }

  async revokeToken(id: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: `/tokens/${encodeURIComponent(id)}` }, options);
  }

  async invites(options?: CallOptions): Promise<readonly InviteView[]> {
    return all(async (after) => {
      const asked: ApiRequest = { method: 'GET', path: '/invites', query: { after } };
      const { invites, next } = await this.#api.call(answers.invites, asked, options);
      return { items: invites, next };
    });
  }

  /** Makes an invite; its code is shown only once. */
  async createInvite(
    terms: { readonly uses?: number | undefined; readonly expiresInDays?: number | undefined } = {},
    options?: CallOptions,
  ): Promise<{ readonly invite: string; readonly view: InviteView }> {
    return this.#api.call(answers.newInvite, { method: 'POST', path: '/invites', body: terms }, options);
  }

  async deleteInvite(id: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: `/invites/${encodeURIComponent(id)}` }, options);
  }

  /** Returns audit entries, newest first. `handler` null: of the whole platform, for administrators. */
  async audit(
    handler: string | null,
    query: AuditQuery,
    options?: CallOptions,
  ): Promise<{ readonly entries: readonly AuditEntry[]; readonly next: number | null }> {
    return this.#api.call(answers.audit, { method: 'GET', path: auditPath(handler), query: { ...query } }, options);
  }

  /** Passes the bytes of an export of the audit to `take` as they arrive. */
  async exportAudit(handler: string | null, query: Omit<AuditQuery, 'limit'>, take: TakeBytes): Promise<void> {
    const path = `${auditPath(handler)}/export`;
    await this.#api.download({ method: 'GET', path, query: { ...query } }, take);
  }
}

const auditPath = (handler: string | null) => (handler === null ? '/audit' : `${handlerPath(handler)}/audit`);
const userPath = (name: string) => `/users/${encodeURIComponent(name)}`;
