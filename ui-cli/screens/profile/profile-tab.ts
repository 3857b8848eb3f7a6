import type { GasProfile } from '../../../src/protocol/gas-profile.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListModel } from '../../frame/list-model.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { errorLines } from '../../text/error-lines.ts';
import { type ProfileNode, type ProfileRow, profileRows, profileSum, profileTree } from '../../text/gas-profile.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Seconds that calls are watched. */
const seconds = 10;

/** Watches calls for some seconds and shows which functions used the gas, as a tree that folds. */
export class ProfileTab extends Screen {
  readonly crumbs = ['profile'];
  readonly handler: HandlerContext;
  readonly list: ListModel<ProfileRow>;
  /** The profile that is shown; null: none was taken. */
  profile: GasProfile | null = null;
  #root: ProfileNode | null = null;
  /** Rows whose calls are hidden. */
  readonly #folded = new Set<string>();

  constructor(handler: HandlerContext) {
    super();
    this.handler = handler;
    this.list = new ListModel<ProfileRow>({
      noun: 'functions',
      rows: () => Math.max(1, handler.app.bodyRows - 1),
      key: ({ key }) => key,
      text: ({ name }) => name,
    });
  }

  override typing(): TypingTarget | null {
    return this.list.typing();
  }

  override get typesFilter(): boolean {
    return this.list.typing() !== null;
  }

  override back(): boolean {
    return this.list.back();
  }

  override status(): Status {
    if (this.profile === null || this.list.typing() !== null) return this.list.status();
    return { text: profileSum(this.profile) };
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    return [
      {
        needs: 'takeProfile',
        keys: ['p'],
        label: 'profile',
        help: `watch calls for ${seconds} s, and show which functions use the gas`,
        run: () => void this.#take(),
      },
      ...(this.list.selected === undefined ? [] : this.#foldings(this.list.selected)),
      ...(this.profile === null ? [] : this.list.bindings()),
    ];
  }

  #foldings({ key, hasCalls, isFolded }: ProfileRow): readonly Binding[] {
    if (!hasCalls) return [];
    return [
      {
        keys: ['enter', isFolded ? 'right' : 'left'],
        label: isFolded ? 'unfold' : 'fold',
        help: isFolded ? 'show what it calls' : 'hide what it calls',
        run: () => this.#fold(key, !isFolded),
      },
    ];
  }

  #fold(key: string, isFolded: boolean): void {
    if (isFolded) this.#folded.add(key);
    else this.#folded.delete(key);
    this.#draw();
  }

  #draw(): void {
    this.list.set(this.#root === null ? [] : profileRows(this.#root, this.#folded));
    this.handler.app.changed();
  }

  async #take(): Promise<void> {
    const { app, name } = this.handler;
    await app.run(
      `watching calls for ${seconds} s`,
      async ({ abort: { signal } }) => {
        const profile = await app.client.takeProfile(name, seconds, { signal });
        this.profile = profile;
        this.#root = profileTree(profile);
        this.#folded.clear();
        this.#draw();
      },
      errorLines,
    );
  }
}
