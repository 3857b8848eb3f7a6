/** Command schedules: shows a handler's schedules, runs them now, pauses them (docs/schedules.md). */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { scheduleTable } from '../text/schedule.ts';
import { handlerArgument } from './arguments.ts';

const scheduleArgument = 'name of the schedule';

export function addScheduleCommands(program: Command, context: Context): void {
  const schedules = program.command('schedules').description('schedules of a handler: list, run, pause, resume');

  schedules
    .command('list', { isDefault: true })
    .description('list the schedules of the live version, with their next and last runs')
    .argument('[name]', handlerArgument)
    .action(async (given: string | undefined) => {
      const name = await context.handlerName(given);
      const all = await (await context.client()).platformCalls.schedules(name);
      if (context.json) context.out.json(all);
      else if (all.length > 0) for (const line of scheduleTable(all, Date.now())) context.out.line(line);
      else context.out.note(`${name} has no schedules; [[schedule]] in wasmcloud.toml makes one`);
    });

  for (const [verb, description, said] of [
    ['run', 'run a schedule now', 'will be run now'],
    ['pause', 'let a schedule rest until it is resumed', 'is paused'],
    ['resume', 'let a paused schedule run again', 'runs again'],
  ] as const)
    schedules
      .command(verb)
      .description(description)
      .argument('<name>', handlerArgument)
      .argument('<schedule>', scheduleArgument)
      .action(async (name: string, schedule: string) => {
        const shown = await (await context.client()).platformCalls.changeSchedule(name, schedule, verb);
        context.result(shown, [`${schedule} of ${name} ${said}`]);
      });
}
