/** Calls of the API about versions: Deployments, rollbacks, gradual releases, previews of branches. */
import type { DeploymentView, PreviewView, RolloutView } from '../../src/protocol/views.ts';
import * as answers from './answers.ts';
import { type Api, all, type BranchOptions, type CallOptions, handlerPath, type ItemPage } from './api.ts';

export class ReleasesClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns the newest Deployments, newest first. With `branch`: those of that branch's preview. */
  async deployments(name: string, options: BranchOptions = {}): Promise<readonly DeploymentView[]> {
    return (await this.deploymentPage(name, {}, options)).items;
  }

  /** Returns one Deployment of the handler or of a preview; null: there is none with this number. */
  async deployment(name: string, number: number, options?: CallOptions): Promise<DeploymentView | null> {
    const { items } = await this.deploymentPage(name, { after: number + 1, limit: 1 }, options);
    return items.find((deployment) => deployment.number === number) ?? null;
  }

  /** Returns a page of Deployments, newest first; `after`: older than the one with this number. */
  async deploymentPage(
    name: string,
    page: { readonly after?: number | undefined; readonly limit?: number | undefined },
    options: BranchOptions = {},
  ): Promise<ItemPage<DeploymentView, number>> {
    const query = { ...page, branch: options.branch ?? undefined };
    const asked = { method: 'GET', path: `${handlerPath(name)}/deployments`, query } as const;
    const { deployments, next } = await this.#api.call(answers.deployments, asked, options);
    return { items: deployments.toSorted((a, b) => b.number - a.number), next };
  }

  /** Serves an earlier version. With `branch`: of that branch's preview. */
  async rollback(name: string, number: number, options: BranchOptions = {}): Promise<void> {
    const { branch = null } = options;
    const body = branch === null ? { number } : { number, branch };
    await this.#api.send({ method: 'POST', path: `${handlerPath(name)}/rollback`, body }, options);
  }

  /** Returns the gradual release of a handler; null: there is none. */
  async rollout(name: string, options?: CallOptions): Promise<RolloutView | null> {
    return (await this.#api.call(answers.rollout, { method: 'GET', path: rolloutPath(name) }, options)).release;
  }

  /** Lets `percent` of the callers get version `number`. */
  async setRollout(
    name: string,
    asked: { readonly number: number; readonly percent: number },
    options?: CallOptions,
  ): Promise<RolloutView | null> {
    const { number, percent } = asked;
    const request = { method: 'PUT', path: rolloutPath(name), body: { number, percent } } as const;
    return (await this.#api.call(answers.rollout, request, options)).release;
  }

  /** Lets all calls go to the new version. */
  async finishRollout(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'POST', path: `${rolloutPath(name)}/finish` }, options);
  }

  /** Lets all calls go to the version before. */
  async abortRollout(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: rolloutPath(name) }, options);
  }

  /** Returns previews, by slug. */
  async previews(name: string, options?: CallOptions): Promise<readonly PreviewView[]> {
    return all(async (after) => {
      const asked = { method: 'GET', path: `${handlerPath(name)}/previews`, query: { after } } as const;
      const { previews, next } = await this.#api.call(answers.previews, asked, options);
      return { items: previews, next };
    });
  }

  /** Removes the preview of a branch with its data; the branch in git stays. */
  async deletePreview(name: string, branch: string, options?: CallOptions): Promise<void> {
    const path = `${handlerPath(name)}/previews/${encodeURIComponent(branch)}`;
    await this.#api.send({ method: 'DELETE', path }, options);
  }
}

const rolloutPath = (name: string) => `${handlerPath(name)}/release`;
