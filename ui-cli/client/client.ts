/** The platform's API as typed calls. Every failure is a PlatformError (client/http.ts). */
import * as z from 'zod/mini';
import type { DeploymentView, HandlerView, InvocationRecord, LogLine } from '../../src/protocol/nouns.ts';
import {
  deploymentAnswer,
  handlerAnswer,
  invocationAnswer,
  logLineAnswer,
  type UsageMinute,
  type UsageView,
  usageAnswer,
  usageMinuteAnswer,
} from './answers.ts';
import { type ApiRequest, notOurs, parseJson, request, ServerError, type Target } from './http.ts';
import { LogTail, type LogTailListener, type LogTailOptions } from './log-tail.ts';

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

export interface LogQuery {
  /** Lines with a greater cursor, or a smaller one; without either the newest lines. */
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit?: number | undefined;
  /** Lines at least this severe (a smaller number is more severe). */
  readonly level?: number | undefined;
  readonly grep?: string | undefined;
  readonly invocation?: string | undefined;
}

export interface LogPage {
  readonly lines: readonly LogLine[];
  /** Where to go on forward, also as `after` of a tail. */
  readonly cursor: number;
  /** Where to go on backward; null: there is nothing older. */
  readonly before: number | null;
}

export interface TokenView {
  readonly id: string;
  readonly label: string;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
}

export interface InviteView {
  readonly id: string;
  readonly createdMs: number;
  /** Name of the user who signed up with it. */
  readonly usedBy: string | null;
  readonly usedMs: number | null;
}

/** A variable as far as the server tells. */
export interface VariableView {
  readonly key: string;
  readonly bytes: number;
  /** The last characters of a long value, to tell two keys apart; else ''. */
  readonly tail: string;
  readonly updatedMs: number;
}

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

const token = z.object({ token: z.string() });
const user = z.object({ user: z.object({ name: z.string() }) });
const tokenView: z.ZodMiniType<TokenView> = z.object({
  id: z.string(),
  label: z.string(),
  createdMs: z.number(),
  lastUsedMs: z.nullable(z.number()),
});
const tokens = z.object({ tokens: z.array(tokenView) });
const newToken = z.object({ token: z.string(), view: tokenView });
const inviteView: z.ZodMiniType<InviteView> = z.object({
  id: z.string(),
  createdMs: z.number(),
  usedBy: z.nullable(z.string()),
  usedMs: z.nullable(z.number()),
});
const invites = z.object({ invites: z.array(inviteView) });
const newInvite = z.object({ invite: z.string(), view: inviteView });
const handler = z.object({ handler: handlerAnswer });
const handlers = z.object({ handlers: z.array(handlerAnswer) });
const deployments = z.object({ deployments: z.array(deploymentAnswer) });
const page = z.object({
  lines: z.array(logLineAnswer),
  cursor: z.number(),
  before: z.nullable(z.number()),
});
const allUsage = z.object({ usage: z.record(z.string(), usageAnswer) });
const usage = z.object({ summary: usageAnswer, minutes: z.array(usageMinuteAnswer) });
const invocations = z.object({ invocations: z.array(invocationAnswer) });
const invocation = z.object({ invocation: invocationAnswer });
const variable = z.object({ key: z.string(), bytes: z.number(), tail: z.string(), updatedMs: z.number() });
const variables = z.object({ variables: z.array(variable) });

export class Client {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  /** The account's first Token. Throws `name_taken`, `invite_required`, `registration_closed`. */
  async signUp(asked: Credentials & { readonly invite: string | null }, options?: CallOptions): Promise<string> {
    const { name, password, invite } = asked;
    const body = { name, password, ...(invite === null ? {} : { invite }) };
    return (await this.#call(token, { method: 'POST', path: '/users', body }, options)).token;
  }

  /** A new Token. Throws `unauthorized`. */
  async logIn({ name, password }: Credentials, options?: CallOptions): Promise<string> {
    const body = { name, password, label: 'wasmcloud' };
    try {
      return (await this.#call(token, { method: 'POST', path: '/sessions', body }, options)).token;
    } catch (error) {
      if (!(error instanceof ServerError) || error.code !== 'unauthorized') throw error;
      // Here it is not the Token that is missing.
      const hints = [`check both; a new account: wasmcloud signup (server ${this.target.server})`];
      throw new ServerError('unauthorized', error.message, { requestId: error.requestId, hints });
    }
  }

  /** Revokes the Token of this client. */
  async logOut(options?: CallOptions): Promise<void> {
    await this.#send({ method: 'DELETE', path: '/sessions' }, options);
  }

  /** The user's name. */
  async whoAmI(options?: CallOptions): Promise<string> {
    return (await this.#call(user, { method: 'GET', path: '/whoami' }, options)).user.name;
  }

  async tokens(options?: CallOptions): Promise<readonly TokenView[]> {
    return (await this.#call(tokens, { method: 'GET', path: '/tokens' }, options)).tokens;
  }

  /** The Token itself is told this once. */
  async createToken(
    label: string,
    options?: CallOptions,
  ): Promise<{ readonly token: string; readonly view: TokenView }> {
    return this.#call(newToken, { method: 'POST', path: '/tokens', body: { label } }, options);
  }

  async revokeToken(id: string, options?: CallOptions): Promise<void> {
    await this.#send({ method: 'DELETE', path: `/tokens/${encodeURIComponent(id)}` }, options);
  }

  async invites(options?: CallOptions): Promise<readonly InviteView[]> {
    return (await this.#call(invites, { method: 'GET', path: '/invites' }, options)).invites;
  }

  /** The code itself is told this once. */
  async createInvite(options?: CallOptions): Promise<{ readonly invite: string; readonly view: InviteView }> {
    return this.#call(newInvite, { method: 'POST', path: '/invites' }, options);
  }

  async deleteInvite(id: string, options?: CallOptions): Promise<void> {
    await this.#send({ method: 'DELETE', path: `/invites/${encodeURIComponent(id)}` }, options);
  }

  async handlers(options?: CallOptions): Promise<readonly HandlerView[]> {
    return (await this.#call(handlers, { method: 'GET', path: '/handlers' }, options)).handlers;
  }

  /** Deleted ones, which can be restored for a while. */
  async deletedHandlers(options?: CallOptions): Promise<readonly HandlerView[]> {
    const asked: ApiRequest = { method: 'GET', path: '/handlers', query: { deleted: 'true' } };
    return (await this.#call(handlers, asked, options)).handlers;
  }

  /** Without a name the server makes one up. */
  async createHandler(name: string | null, options?: CallOptions): Promise<HandlerView> {
    const body = name === null ? {} : { name };
    return (await this.#call(handler, { method: 'POST', path: '/handlers', body }, options)).handler;
  }

  async handler(name: string, options?: CallOptions): Promise<HandlerView> {
    return (await this.#call(handler, { method: 'GET', path: handlerPath(name) }, options)).handler;
  }

  /** From now on pushes to `branch` are deployed. */
  async setDeployBranch(name: string, branch: string, options?: CallOptions): Promise<HandlerView> {
    const asked: ApiRequest = { method: 'PATCH', path: handlerPath(name), body: { deployBranch: branch } };
    return (await this.#call(handler, asked, options)).handler;
  }

  async deleteHandler(name: string, options?: CallOptions): Promise<void> {
    await this.#send({ method: 'DELETE', path: handlerPath(name) }, options);
  }

  async restoreHandler(name: string, options?: CallOptions): Promise<void> {
    await this.#send({ method: 'POST', path: `${handlerPath(name)}/restore` }, options);
  }

  /** Newest first. */
  async deployments(name: string, options?: CallOptions): Promise<readonly DeploymentView[]> {
    const path = `${handlerPath(name)}/deployments`;
    const answer = await this.#call(deployments, { method: 'GET', path }, options);
    return answer.deployments.toSorted((a, b) => b.number - a.number);
  }

  async rollback(name: string, number: number, options?: CallOptions): Promise<void> {
    await this.#send({ method: 'POST', path: `${handlerPath(name)}/rollback`, body: { number } }, options);
  }

  async variables(name: string, options?: CallOptions): Promise<readonly VariableView[]> {
    return (await this.#call(variables, { method: 'GET', path: `${handlerPath(name)}/env` }, options)).variables;
  }

  async setVariable(
    name: string,
    { key, value }: { readonly key: string; readonly value: string },
    options?: CallOptions,
  ): Promise<void> {
    await this.#send({ method: 'PUT', path: variablePath(name, key), body: { value } }, options);
  }

  async unsetVariable(name: string, key: string, options?: CallOptions): Promise<void> {
    await this.#send({ method: 'DELETE', path: variablePath(name, key) }, options);
  }

  /** Figures of the last minutes for every handler, by name. */
  async allUsage(options?: CallOptions): Promise<Readonly<Record<string, UsageView>>> {
    return (await this.#call(allUsage, { method: 'GET', path: '/usage' }, options)).usage;
  }

  /** Figures of the last minutes, and counters of the last `minutes` ones that saw an invocation, ascending. */
  async usage(
    name: string,
    minutes: number,
    options?: CallOptions,
  ): Promise<{ readonly summary: UsageView; readonly minutes: readonly UsageMinute[] }> {
    return this.#call(usage, { method: 'GET', path: `${handlerPath(name)}/usage`, query: { minutes } }, options);
  }

  /** Newest first. */
  async invocations(name: string, options?: CallOptions): Promise<readonly InvocationRecord[]> {
    const path = `${handlerPath(name)}/invocations`;
    return (await this.#call(invocations, { method: 'GET', path }, options)).invocations;
  }

  async invocation(name: string, id: string, options?: CallOptions): Promise<InvocationRecord> {
    const path = `${handlerPath(name)}/invocations/${encodeURIComponent(id)}`;
    return (await this.#call(invocation, { method: 'GET', path }, options)).invocation;
  }

  /** The newest lines, or those after or before a cursor; always ascending. */
  async logs(name: string, query: LogQuery, options?: CallOptions): Promise<LogPage> {
    const asked: ApiRequest = { method: 'GET', path: `${handlerPath(name)}/logs`, query: { ...query } };
    return this.#call(page, asked, options);
  }

  tail(options: LogTailOptions, listener: LogTailListener): LogTail {
    return new LogTail(this.target, options, listener).start();
  }

  /** The functions that the platform provides to guests, as the server writes it down. */
  async imports(options?: CallOptions): Promise<string> {
    const signal = options?.signal;
    return request(this.target, {
      method: 'GET',
      path: '/docs/imports',
      accept: 'text/plain',
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #call<T>(type: z.ZodMiniType<T>, asked: ApiRequest, options?: CallOptions): Promise<T> {
    const answer = type.safeParse(parseJson(await this.#send(asked, options), this.target.server));
    if (answer.success) return answer.data;
    const issue = answer.error.issues[0];
    throw notOurs(this.target.server, `${issue?.path.join('.') || 'the answer'}: ${issue?.message ?? 'unexpected'}`);
  }

  #send(asked: ApiRequest, options?: CallOptions): Promise<string> {
    const signal = options?.signal;
    return request(this.target, {
      ...asked,
      path: `/api/v1${asked.path}`,
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

const handlerPath = (name: string) => `/handlers/${encodeURIComponent(name)}`;
const variablePath = (name: string, key: string) => `${handlerPath(name)}/env/${encodeURIComponent(key)}`;
