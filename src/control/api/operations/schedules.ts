/**
 * Operations on a handler's schedules: show, run now, pause (docs/schedules.md); pushes make the schedules. And its
 * asynchronous calls.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import { callStates } from '../../../protocol/nouns.ts';
import type { Nodes } from '../../../protocol/ports.ts';
import { type CallStore, callCursor } from '../../calls/call-store.ts';
import type { Schedules } from '../../calls/schedules.ts';
import type { UsageStore } from '../../usage/usage-store.ts';
import { forHandler, type Operation } from '../operation.ts';
import { callSchema, scheduleSchema } from '../schemas/deliveries.ts';
import { itemsMax, nextText, pageOf, pageOfAll, pageQuery } from './paging.ts';

const tag = 'schedules';

/** A call that has begun or ended is not known as such at once: a runner says so some 200 ms later. */
const cancelling = { tries: 20, everyMs: 100 } as const;

export function scheduleOperations(deps: {
  readonly schedules: Schedules;
  readonly calls: CallStore;
  readonly usage: Pick<UsageStore, 'runningOf'>;
  readonly nodes: Pick<Nodes, 'cancel'>;
  /** Tells the call maker that a call waits. */
  readonly wakeCalls: () => void;
}): readonly Operation[] {
  const { schedules, calls, usage, nodes, wakeCalls } = deps;
  return [
    forHandler({
      id: 'listSchedules',
      method: 'GET',
      path: '/handlers/{name}/schedules',
      tag,
      summary: 'Schedules of the live version, by name, with their next ticks and last runs.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ schedules: z.array(scheduleSchema), next: nextText }),
      run: async ({ handler, query }) => {
        const { items, next } = pageOfAll(await schedules.list(handler.id), query, ({ name }) => name);
        return { schedules: items, next };
      },
    }),
    forHandler({
      id: 'listCalls',
      method: 'GET',
      path: '/handlers/{name}/calls',
      tag: 'calls',
      summary: 'Asynchronous calls, newest first; those that ended are kept for a day.',
      query: z.strictObject({ ...pageQuery(), state: z.enum(callStates).optional() }),
      answer: z.object({ calls: z.array(callSchema), next: nextText }),
      run: async ({ handler, query: { after, state, limit = itemsMax } }) => {
        const found = await calls.list(handler.id, { after, state, limit: limit + 1 });
        const { items, next } = pageOf(found, limit, callCursor);
        return { calls: items, next };
      },
    }),
    forHandler({
      id: 'cancelCall',
      method: 'POST',
      path: '/handlers/{name}/calls/{call}/cancel',
      tag: 'calls',
      summary: 'End an asynchronous call that waits or runs: it has failed for good, and may be tried again.',
      errors: ['not_found', 'conflict'],
      run: async ({ handler, params }) => {
        for (let left: number = cancelling.tries; ; left -= 1) {
          if (await calls.cancelWaiting(handler.id, params.call)) return;
          const invocation = usage.runningOf(handler.id, { kind: 'async', name: params.call });
          if (invocation !== null) return nodes.cancel(invocation);
          if (left === 0) throw new PlatformError('conflict', 'this call is just beginning or ending: try again');
          await delay(cancelling.everyMs);
        }
      },
    }),
    forHandler({
      id: 'retryCall',
      method: 'POST',
      path: '/handlers/{name}/calls/{call}/retry',
      tag: 'calls',
      summary: 'Make an asynchronous call that has failed wait again, with all its attempts.',
      errors: ['not_found', 'conflict', 'overloaded'],
      run: async ({ handler, params }) => {
        await calls.retry(handler.id, params.call);
        wakeCalls();
      },
    }),
    forHandler({
      id: 'runSchedule',
      method: 'POST',
      path: '/handlers/{name}/schedules/{schedule}/run',
      tag,
      summary: 'Run a schedule now, paused or not. The answer does not wait for the run.',
      answer: scheduleSchema,
      errors: ['not_found', 'conflict'],
      run: async ({ handler, params }) => {
        await schedules.runNow(handler.id, params.schedule);
        wakeCalls();
        return schedules.show(handler.id, params.schedule);
      },
    }),
    forHandler({
      id: 'pauseSchedule',
      method: 'POST',
      path: '/handlers/{name}/schedules/{schedule}/pause',
      tag,
      summary: 'Let a schedule rest until it is resumed, pushes included. A run that has begun goes on.',
      answer: scheduleSchema,
      errors: ['not_found'],
      run: async ({ handler, params }) => {
        await schedules.pause(handler.id, params.schedule, true);
        return schedules.show(handler.id, params.schedule);
      },
    }),
    forHandler({
      id: 'resumeSchedule',
      method: 'POST',
      path: '/handlers/{name}/schedules/{schedule}/resume',
      tag,
      summary: 'Let a paused schedule tick again; ticks of the meantime are not run.',
      answer: scheduleSchema,
      errors: ['not_found'],
      run: async ({ handler, params }) => {
        await schedules.pause(handler.id, params.schedule, false);
        wakeCalls();
        return schedules.show(handler.id, params.schedule);
      },
    }),
  ];
}
