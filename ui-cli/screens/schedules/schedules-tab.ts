import type { ScheduleView } from '../../../src/protocol/views.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { whenOf } from '../../text/schedule.ts';
import { visible } from '../../text/visible.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Rows below the list that describe the selected schedule. */
export const scheduleDetailRows = 7;

/** Shows the schedules of the live version with their next and last runs; runs, pauses and resumes them. */
export class SchedulesTab extends ListScreen<ScheduleView> {
  readonly crumbs = ['schedules'];
  readonly handler: HandlerContext;

  constructor(handler: HandlerContext) {
    super(handler.app, { noun: 'schedules', everyMs: pollMs });
    this.handler = handler;
  }

  get showsDetail(): boolean {
    return this.app.bodyRows >= scheduleDetailRows + 4;
  }

  protected override get listRows(): number {
    return Math.max(1, this.app.bodyRows - 1 - (this.showsDetail ? scheduleDetailRows : 0));
  }

  protected load(signal: AbortSignal): Promise<readonly ScheduleView[]> {
    return this.app.client.platformCalls.schedules(this.handler.name, { signal });
  }

  protected keyOf(schedule: ScheduleView): string {
    return schedule.name;
  }

  protected textOf(schedule: ScheduleView): string {
    return `${schedule.name} ${whenOf(schedule)} ${schedule.isPaused ? 'paused' : ''}`;
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [...(selected === undefined ? [] : this.#bindingsOf(selected)), ...this.list.bindings(), this.reload];
  }

  #bindingsOf({ name, isPaused, runs }: ScheduleView): readonly Binding[] {
    const invocation = runs.find((run) => run.invocation !== null)?.invocation ?? null;
    return [
      {
        needs: 'runSchedule',
        keys: ['n'],
        label: 'run now',
        help: 'run it now, paused or not',
        run: () => void this.#change(name, 'run', 'will be run now'),
      },
      isPaused
        ? {
            needs: 'resumeSchedule',
            keys: ['p'],
            label: 'resume',
            help: 'let it run again; ticks of the meantime are not run',
            run: () => void this.#change(name, 'resume', 'runs again'),
          }
        : {
            needs: 'pauseSchedule',
            keys: ['p'],
            label: 'pause',
            help: 'let it rest until it is resumed, pushes included',
            run: () => void this.#change(name, 'pause', 'is paused'),
          },
      ...(invocation === null
        ? []
        : [
            {
              keys: ['enter', 'right'],
              label: 'last run',
              help: 'open the invocation of its last run',
              run: () => this.handler.openInvocation(invocation),
            },
          ]),
    ];
  }

  async #change(schedule: string, verb: 'run' | 'pause' | 'resume', said: string): Promise<void> {
    const { app, handler } = this;
    await app.run(
      `${visible(schedule)}: ${verb}`,
      async ({ abort: { signal } }) => {
        await app.client.platformCalls.changeSchedule(handler.name, schedule, verb, { signal });
        app.say('done', `${visible(schedule)} ${said}`);
        this.loader.refresh();
      },
      errorLines,
    );
  }
}
