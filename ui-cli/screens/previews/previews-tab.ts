import type { PreviewView } from '../../../src/protocol/views.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import type { HandlerContext, OfPreview } from '../handler/tab.ts';

/** Screens of one preview that the tab opens. */
export interface PreviewDoors {
  readonly deployments: (preview: OfPreview) => void;
  readonly env: (preview: OfPreview) => void;
  readonly logs: (preview: OfPreview) => void;
}

/** Rows below the list: address and end of the selected preview. */
export const previewDetailRows = 4;

/** Shows previews of branches; leads to their versions, variables and logs; deletes them. */
export class PreviewsTab extends ListScreen<PreviewView> {
  readonly crumbs = ['previews'];
  readonly handler: HandlerContext;
  readonly #doors: PreviewDoors;

  constructor(handler: HandlerContext, doors: PreviewDoors) {
    super(handler.app, { noun: 'previews', everyMs: 2 * pollMs });
    this.handler = handler;
    this.#doors = doors;
  }

  /** Whether pushes of other branches make previews; null: not known yet. */
  get areOn(): boolean | null {
    return this.handler.handler.data?.settings.previews ?? null;
  }

  get showsDetail(): boolean {
    return this.app.bodyRows >= previewDetailRows + 4;
  }

  protected override get listRows(): number {
    return Math.max(1, this.app.bodyRows - 1 - (this.showsDetail ? previewDetailRows : 0));
  }

  protected load(signal: AbortSignal): Promise<readonly PreviewView[]> {
    return this.app.client.releases.previews(this.handler.name, { signal });
  }

  protected keyOf(preview: PreviewView): string {
    return preview.branch;
  }

  protected textOf({ branch, slug, commit }: PreviewView): string {
    return `${branch} ${slug} ${commit}`;
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    const toggle = this.areOn === false ? 'let pushes of other branches make previews again' : 'turn previews off';
    return [
      ...(selected === undefined ? [] : this.#bindingsOf(selected)),
      ...this.list.bindings(),
      ...(this.areOn === null
        ? []
        : [
            {
              needs: 'changeHandler' as const,
              keys: ['O'],
              ...(this.areOn ? {} : { label: 'turn on' }),
              help: toggle,
              run: () => void this.#turn(this.areOn === false),
            },
          ]),
      this.reload,
    ];
  }

  #bindingsOf(preview: PreviewView): readonly Binding[] {
    const { app } = this;
    const doors = this.#doors;
    return [
      { keys: ['o'], label: 'browser', help: 'open its URL in a browser', run: () => app.options.browse(preview.url) },
      { keys: ['l'], label: 'logs', help: 'its log, live', run: () => doors.logs(preview) },
      {
        keys: ['b', 'enter'],
        label: 'versions',
        help: 'its versions, to roll it back',
        run: () => doors.deployments(preview),
      },
      {
        keys: ['e'],
        label: 'env',
        help: 'its variables, laid over those of the handler',
        run: () => doors.env(preview),
      },
      {
        needs: 'deletePreview',
        keys: ['d', 'delete'],
        label: 'delete',
        help: 'delete the preview',
        run: () => this.#askDelete(preview),
      },
      { keys: ['y'], help: 'copy its URL', run: () => app.copy(preview.url, preview.url) },
    ];
  }

  #askDelete({ branch }: PreviewView): void {
    const { app, handler } = this;
    const shown = visible(branch);
    app.ask({
      kind: 'confirm',
      title: `Delete the preview of ${shown}?`,
      lines: [
        'Its values, its variables and its versions go with it. The branch in git stays; its next push makes a new preview.',
      ],
      verb: 'delete',
      run: () =>
        void app.run(
          `deleting the preview of ${shown}`,
          async ({ abort: { signal } }) => {
            await app.client.releases.deletePreview(handler.name, branch, { signal });
            app.say('done', `deleted the preview of ${shown}`);
            this.loader.refresh();
          },
          errorLines,
        ),
    });
  }

  async #turn(previews: boolean): Promise<void> {
    const { app, handler } = this;
    await app.run(
      `turning previews ${previews ? 'on' : 'off'}`,
      async () => {
        await app.client.changeSettings(handler.name, { previews });
        const which = previews ? '' : 'no ';
        app.say('done', `pushes of other branches make ${which}previews${previews ? '' : '; those that exist stay'}`);
        handler.handler.refresh();
      },
      errorLines,
    );
  }
}
