/** Operations on a handler's schedules: show, run now, pause (docs/schedules.md). Pushes make the schedules. */
import { z } from 'zod';
import type { Schedules } from '../../calls/schedules.ts';
import { forHandler, type Operation } from '../operation.ts';
import { scheduleSchema } from '../schemas.ts';
import { nextText, pageOfAll, pageQuery } from './paging.ts';

const tag = 'schedules';

export function scheduleOperations(deps: {
  readonly schedules: Schedules;
  /** Tells the call maker that a call waits. */
  readonly wakeCalls: () => void;
}): readonly Operation[] {
  const { schedules, wakeCalls } = deps;
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
