/** Calls of the API about calls that the platform makes itself: schedules' runs and asynchronous requests. */
import type { CallState } from '../../src/protocol/nouns.ts';
import type { CallView, ScheduleView } from '../../src/protocol/views.ts';
import * as answers from './answers.ts';
import { type Api, all, type CallOptions, handlerPath, type ItemPage } from './api.ts';

export class PlatformCallsClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns asynchronous calls of a handler, newest first. `state`: only calls in this state. */
  async calls(
    name: string,
    query: {
      readonly state?: CallState | undefined;
      readonly after?: string | undefined;
      readonly limit?: number | undefined;
    } = {},
    options?: CallOptions,
  ): Promise<ItemPage<CallView, string>> {
    const asked = { method: 'GET', path: `${handlerPath(name)}/calls`, query: { ...query } } as const;
    const { calls, next } = await this.#api.call(answers.calls, asked, options);
    return { items: calls, next };
  }

  /** Ends an asynchronous call that waits or runs, or makes a failed one wait again. `id`: as the list shows it. */
  async changeCall(name: string, id: string, verb: 'cancel' | 'retry', options?: CallOptions): Promise<void> {
    const path = `${handlerPath(name)}/calls/${encodeURIComponent(id)}/${verb}`;
    await this.#api.send({ method: 'POST', path }, options);
  }

  /** Returns schedules of a handler's live version, by name. */
  async schedules(name: string, options?: CallOptions): Promise<readonly ScheduleView[]> {
    return all(async (after) => {
      const asked = { method: 'GET', path: `${handlerPath(name)}/schedules`, query: { after } } as const;
      const { schedules, next } = await this.#api.call(answers.schedules, asked, options);
      return { items: schedules, next };
    });
  }

  /** Runs, pauses or resumes a schedule. */
  async changeSchedule(
    name: string,
    schedule: string,
    verb: 'run' | 'pause' | 'resume',
    options?: CallOptions,
  ): Promise<ScheduleView> {
    const path = `${handlerPath(name)}/schedules/${encodeURIComponent(schedule)}/${verb}`;
    return this.#api.call(answers.schedule, { method: 'POST', path }, options);
  }
}
