/** Typed calls of the platform's API. Every failure is a PlatformError (client/http.ts). */
import type { GasProfile } from '../../src/protocol/gas-profile.ts';
import type { InvocationRecord, LogStream, Policy, TokenScope } from '../../src/protocol/nouns.ts';
import type { LogPage } from '../../src/protocol/ports.ts';
import type {
  HandlerView,
  LogRetentionView,
  QuotaView,
  UsageMinute,
  UsageSummary,
  VariableView,
} from '../../src/protocol/views.ts';
import { AccountsClient } from './accounts.ts';
import * as answers from './answers.ts';
import { Api, all, type BranchOptions, type CallOptions, handlerPath, type TakeBytes } from './api.ts';
import { DomainsClient } from './domains.ts';
import { DrainsClient } from './drains.ts';
import { type ApiRequest, request, ServerError, type Target } from './http.ts';
import type { LogTail, LogTailListener, LogTailOptions } from './log-tail.ts';
import { NodesClient } from './nodes.ts';
import { PlatformCallsClient } from './platform-calls.ts';
import { QueuesClient } from './queues.ts';
import { ReleasesClient } from './releases.ts';
import { TeamsClient } from './teams.ts';

export interface Credentials {
  readonly name: string;
  readonly password: string;
  /** Code of the second factor, if the account has one. */
  readonly code?: string | undefined;
}

/** User and rights of a Token. */
export interface WhoView {
  readonly user: string;
  readonly admin: boolean;
  readonly scope: TokenScope;
  /** Name of the only handler that the Token is valid for; null: all handlers of its user. */
  readonly handler: string | null;
}

export interface LogQuery {
  /** Only lines with a greater cursor; `before`: with a smaller one. Without both: the newest lines. */
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit?: number | undefined;
  /** Only lines at least this severe (a smaller number is more severe). */
  readonly level?: number | undefined;
  readonly grep?: string | undefined;
  readonly invocation?: string | undefined;
  readonly stream?: LogStream | undefined;
  /** A regular expression in the syntax of RE2. */
  readonly regex?: string | undefined;
  /** Fields that lines have, each as NAME=VALUE, or NAME for any value. */
  readonly field?: readonly string[] | undefined;
  /** Number of the version that wrote the lines. */
  readonly deployment?: number | undefined;
  /** Names of further handlers, with commas between them, whose lines are wanted too. */
  readonly also?: string | undefined;
  /** Slug of a preview; '': only lines that belong to no preview. */
  readonly preview?: string | undefined;
  /** Unix milliseconds: lines written at `sinceMs` or later, and before `untilMs`. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

export interface InvocationQuery {
  /** Greatest number of invocations, 500 at most; the server's default is 100. */
  readonly limit?: number | undefined;
  /** Id of an invocation; the page starts after it. */
  readonly after?: string | undefined;
}

/** Selects handlers. */
export interface HandlerQuery {
  /** Only names that contain this text, in any case. */
  readonly search?: string | undefined;
  /** Selects deleted handlers, which can be restored for a while; absent: handlers that are not deleted. */
  readonly deleted?: boolean | undefined;
}

/** Settings of a handler to change; those that are absent stay as they are. */
export interface SettingsChange {
  readonly limits?: Readonly<Record<string, number | null>>;
  readonly policy?: Policy;
  readonly previews?: boolean;
}

export class Client {
  readonly target: Target;
  readonly queues: QueuesClient;
  readonly nodes: NodesClient;
  readonly platformCalls: PlatformCallsClient;
  readonly releases: ReleasesClient;
  readonly teams: TeamsClient;
  readonly domains: DomainsClient;
  readonly accounts: AccountsClient;
  readonly drains: DrainsClient;
  readonly #api: Api;

  constructor(target: Target) {
    this.target = target;
    this.#api = new Api(target);
    this.queues = new QueuesClient(this.#api);
    this.nodes = new NodesClient(this.#api);
    this.platformCalls = new PlatformCallsClient(this.#api);
    this.releases = new ReleasesClient(this.#api);
    this.domains = new DomainsClient(this.#api);
    this.accounts = new AccountsClient(this.#api);
    this.drains = new DrainsClient(this.#api);
    this.teams = new TeamsClient(this.#api);
  }

  /** Makes an account; returns its first Token. Throws `name_taken`, `invite_required`, `registration_closed`. */
  async signUp(asked: Credentials & { readonly invite: string | null }, options?: CallOptions): Promise<string> {
    const { name, password, invite } = asked;
    const body = { name, password, ...(invite === null ? {} : { invite }) };
    return (await this.#api.call(answers.token, { method: 'POST', path: '/users', body }, options)).token;
  }

  /** Returns a new Token. Throws `unauthorized`, `code_required`. */
  async logIn({ name, password, code }: Credentials, options?: CallOptions): Promise<string> {
    const body = { name, password, label: 'wasmcloud', ...(code === undefined ? {} : { code }) };
    try {
      return (await this.#api.call(answers.token, { method: 'POST', path: '/sessions', body }, options)).token;
    } catch (error) {
      if (!(error instanceof ServerError) || error.code !== 'unauthorized') throw error;
      // The usual hint is about a missing Token, which does not apply to a log-in.
      const hints = [`check both; a new account: wasmcloud signup (server ${this.target.server})`];
      throw new ServerError('unauthorized', error.message, { requestId: error.requestId, hints });
    }
  }

  /** Revokes the Token of this client. */
  async logOut(options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: '/sessions' }, options);
  }

  /** Returns the name of the Token's user. */
  async whoAmI(options?: CallOptions): Promise<string> {
    return (await this.who(options)).user;
  }

  /** Returns the user and the rights of this client's Token. */
  async who(options?: CallOptions): Promise<WhoView> {
    const { user, ...rest } = await this.#api.call(answers.who, { method: 'GET', path: '/whoami' }, options);
    return { ...rest, user: user.name };
  }

  /**
   * Changes the password. Throws `unauthorized` (the current password), `code_required`, `bad_request` (the next one).
   */
  async changePassword(asked: {
    readonly current: string;
    readonly next: string;
    readonly code?: string | undefined;
    readonly endSessions: boolean;
  }): Promise<void> {
    await this.#api.send({ method: 'PUT', path: '/password', body: asked });
  }

  /** Returns the secret for an authenticator app, which is shown only once. */
  async startSecondFactor(): Promise<{ readonly secret: string; readonly uri: string }> {
    return this.#api.call(answers.secondFactor, { method: 'POST', path: '/second-factor' });
  }

  /** Puts the second factor in force; returns recovery codes, which are shown only once. */
  async confirmSecondFactor(code: string): Promise<readonly string[]> {
    const asked: ApiRequest = { method: 'PUT', path: '/second-factor', body: { code } };
    return (await this.#api.call(answers.recoveryCodes, asked)).recoveryCodes;
  }

  async removeSecondFactor(code: string): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: '/second-factor', body: { code } });
  }

  /** Returns all handlers of the user that `query` selects, by name. */
  async handlers(query: HandlerQuery = {}, options?: CallOptions): Promise<readonly HandlerView[]> {
    const { search, deleted = false } = query;
    return all(async (after) => {
      const named = { after, search, deleted: deleted ? 'true' : undefined };
      const asked: ApiRequest = { method: 'GET', path: '/handlers', query: named };
      const { handlers, next } = await this.#api.call(answers.handlers, asked, options);
      return { items: handlers, next };
    });
  }

  /** Makes a handler; without a name the server generates one. */
  async createHandler(name: string | null, options?: CallOptions): Promise<HandlerView> {
    const body = name === null ? {} : { name };
    return (await this.#api.call(answers.handler, { method: 'POST', path: '/handlers', body }, options)).handler;
  }

  async handler(name: string, options?: CallOptions): Promise<HandlerView> {
    return (await this.#api.call(answers.handler, { method: 'GET', path: handlerPath(name) }, options)).handler;
  }

  /** Gives a handler another name. Returns the handler under that name. */
  async renameHandler(name: string, to: string, options?: CallOptions): Promise<HandlerView> {
    const asked: ApiRequest = { method: 'PATCH', path: handlerPath(name), body: { name: to } };
    return (await this.#api.call(answers.handler, asked, options)).handler;
  }

  /** Sets the deploy branch: later pushes to `branch` are deployed. */
  async setDeployBranch(name: string, branch: string, options?: CallOptions): Promise<HandlerView> {
    const asked: ApiRequest = { method: 'PATCH', path: handlerPath(name), body: { deployBranch: branch } };
    return (await this.#api.call(answers.handler, asked, options)).handler;
  }

  /** Sets limits (null restores the manifest's), or replaces the patterns added to the manifest's policy. */
  async changeSettings(name: string, change: SettingsChange): Promise<HandlerView> {
    return (await this.#api.call(answers.handler, { method: 'PATCH', path: handlerPath(name), body: change })).handler;
  }

  async deleteHandler(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: handlerPath(name) }, options);
  }

  /** Removes a handler and all its data for good, also when it is already deleted. */
  async purgeHandler(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: handlerPath(name), query: { purge: 'true' } }, options);
  }

  async restoreHandler(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'POST', path: `${handlerPath(name)}/restore` }, options);
  }

  /** Returns variables of a handler, or those that a branch's preview lays over them. */
  async variables(name: string, options: BranchOptions = {}): Promise<readonly VariableView[]> {
    const { branch = null } = options;
    const of = branch === null ? {} : { branch };
    return all(async (after) => {
      const asked: ApiRequest = { method: 'GET', path: `${handlerPath(name)}/env`, query: { after, ...of } };
      const { variables, next } = await this.#api.call(answers.variables, asked, options);
      return { items: variables, next };
    });
  }

  async setVariable(
    name: string,
    { key, value, branch = null }: { readonly key: string; readonly value: string; readonly branch?: string | null },
    options?: CallOptions,
  ): Promise<void> {
    const query = branch === null ? {} : { branch };
    await this.#api.send({ method: 'PUT', path: variablePath(name, key), query, body: { value } }, options);
  }

  async unsetVariable(name: string, key: string, options: BranchOptions = {}): Promise<void> {
    const { branch = null } = options;
    const query = branch === null ? {} : { branch };
    await this.#api.send({ method: 'DELETE', path: variablePath(name, key), query }, options);
  }

  /** Hands the lines of an export of a handler's log lines or invocations to `take`, as they come. */
  async exportRecords(
    handler: string,
    what: 'logs' | 'invocations',
    query: { readonly after: string | null; readonly format: 'ndjson' | 'csv' },
    take: TakeBytes,
  ): Promise<void> {
    const { format, after } = query;
    const path = `${handlerPath(handler)}/${what}/export`;
    const named = { format, ...(after === null ? {} : { after }) };
    await this.#api.download({ method: 'GET', path, query: named }, take);
  }

  /** Returns the usage of the user's quota, by kind. */
  async quota(options?: CallOptions): Promise<QuotaView> {
    return this.#api.call(answers.quota, { method: 'GET', path: '/usage' }, options);
  }

  /** Returns figures of the last minutes for every handler, by name. */
  async allUsage(options?: CallOptions): Promise<Readonly<Record<string, UsageSummary>>> {
    return (await this.#api.call(answers.allUsage, { method: 'GET', path: '/usage' }, options)).usage;
  }

  /** Returns figures of the last minutes, and counters of the last `minutes` minutes with an invocation, ascending. */
  async usage(
    name: string,
    minutes: number,
    options?: CallOptions,
  ): Promise<{ readonly summary: UsageSummary; readonly minutes: readonly UsageMinute[] }> {
    return this.#api.call(
      answers.usage,
      { method: 'GET', path: `${handlerPath(name)}/usage`, query: { minutes } },
      options,
    );
  }

  /** Returns invocations, newest first; `after`: only those after the invocation with this id. */
  async invocations(
    name: string,
    query: InvocationQuery = {},
    options?: CallOptions,
  ): Promise<readonly InvocationRecord[]> {
    const path = `${handlerPath(name)}/invocations`;
    return (await this.#api.call(answers.invocations, { method: 'GET', path, query: { ...query } }, options))
      .invocations;
  }

  /** Returns the gas profile of calls of the next seconds. Throws `conflict`, `overloaded`, `unavailable`. */
  takeProfile(name: string, seconds: number, options: CallOptions = {}): Promise<GasProfile> {
    const path = `${handlerPath(name)}/profile`;
    return this.#api.call(answers.profile, { method: 'POST', path, body: { seconds } }, options);
  }

  /** Ends a running invocation. Throws `not_found`, and `conflict` when it has ended. */
  async cancelInvocation(name: string, id: string, options?: CallOptions): Promise<void> {
    const path = `${handlerPath(name)}/invocations/${encodeURIComponent(id)}`;
    await this.#api.send({ method: 'DELETE', path }, options);
  }

  async invocation(name: string, id: string, options?: CallOptions): Promise<InvocationRecord> {
    const path = `${handlerPath(name)}/invocations/${encodeURIComponent(id)}`;
    return (await this.#api.call(answers.invocation, { method: 'GET', path }, options)).invocation;
  }

  /** Returns the newest lines, or those after or before a cursor, in ascending order. */
  async logs(name: string, query: LogQuery, options?: CallOptions): Promise<LogPage> {
    const asked: ApiRequest = { method: 'GET', path: `${handlerPath(name)}/logs`, query: { ...query } };
    return this.#api.call(answers.page, asked, options);
  }

  /** Returns how long and how much of a handler's log is kept. */
  async logRetention(name: string, options?: CallOptions): Promise<LogRetentionView> {
    return this.#api.call(answers.retention, { method: 'GET', path: `${handlerPath(name)}/logs/retention` }, options);
  }

  /** Changes how long and how much of a handler's log is kept; null: as the server does. */
  async setLogRetention(
    name: string,
    change: { readonly days?: number | null; readonly bytes?: number | null },
    options?: CallOptions,
  ): Promise<LogRetentionView> {
    const asked: ApiRequest = { method: 'PATCH', path: `${handlerPath(name)}/logs/retention`, body: change };
    return this.#api.call(answers.retention, asked, options);
  }

  /** Returns a started tail, which must be closed. */
  async tail(options: LogTailOptions, listener: LogTailListener): Promise<LogTail> {
    // WebSockets load http, tls and zlib, which no other command needs.
    const { LogTail } = await import('./log-tail.ts');
    return new LogTail(this.target, options, listener).start();
  }

  /** Returns the server's list of functions that the platform provides to guests. */
  async imports(options?: CallOptions): Promise<string> {
    const signal = options?.signal;
    return request(this.target, {
      method: 'GET',
      path: '/docs/imports',
      accept: 'text/plain',
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

const variablePath = (name: string, key: string) => `${handlerPath(name)}/env/${encodeURIComponent(key)}`;
