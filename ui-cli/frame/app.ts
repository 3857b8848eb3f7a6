/**
 * The state of the terminal interface: the stack of screens, the logged-in user, the effect of keys. React draws it and
 * reads `version`; this file does not use Ink.
 */
import { PlatformError } from '../../src/protocol/errors.ts';
import { Client } from '../client/client.ts';
import { typable } from '../command-name.ts';
import type { Session } from '../config.ts';
import type { AppOptions, Connection, Explain, Message, Size } from './app-options.ts';
import { minimumSize } from './app-options.ts';
import { type Binding, findBinding, helpRows } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { bodyRows } from './layout.ts';
import { Loader } from './loader.ts';
import { Observable } from './observable.ts';
import {
  type ConfirmOverlay,
  confirmBindings,
  helpBindings,
  type Jump,
  JumpOverlay,
  jumpBindings,
  type Overlay,
} from './overlay.ts';
import type { Page } from './page.ts';
import type { Screen } from './screen.ts';
import { Task, toPlatformError } from './task.ts';
import type { TypingTarget } from './typing-target.ts';

/** Screens that the app opens by itself. */
export interface Places {
  readonly login: () => Page;
  /** Returns the places that `:` offers. */
  readonly jumps: () => readonly Jump[];
}

export class App extends Observable {
  readonly options: AppOptions;
  /** Returns the terminal to the shell; AppView.tsx, which owns the terminal, sets it. */
  suspend: () => void = () => undefined;
  session: Session;
  client: Client;
  user: string | null;
  size: Size;
  overlay: Overlay | null = null;
  message: Message | null = null;
  task: Task | null = null;
  connection: Connection = 'connecting';
  #stack: Page[] = [];
  #places: Places = { login: () => fail('the app has not started'), jumps: () => [] };
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: AppOptions) {
    super();
    this.options = options;
    this.session = options.session;
    this.client = new Client(options.session);
    this.user = options.session.user;
    this.size = options.size;
  }

  /** Opens `pages`, the last one on top, and the login above them when no user is logged in. */
  start(pages: readonly Page[], places: Places): void {
    this.#stack = [...pages];
    this.#places = places;
    // Updates ages and elapsed times on the screen.
    this.#ticker = setInterval(() => this.changed(), 1_000);
    if (this.session.token === null) this.#stack.push(this.#places.login());
    else if (this.user === null) void this.#askWhoIAm();
    this.#showTop();
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.task?.cancel();
    for (const { screen } of this.#stack) screen.hide();
  }

  /** Page on top of the stack. */
  get page(): Page {
    return this.#stack.at(-1) ?? fail('the app has not started');
  }

  get screen(): Screen {
    return this.page.screen;
  }

  /** Rows of the top screen's body. */
  get bodyRows(): number {
    return bodyRows(this, this.#stack.at(-1)?.screen.headRows ?? 0);
  }

  get filtering(): boolean {
    return this.#stack.at(-1)?.screen.typesFilter === true;
  }

  get liveVersion(): string | null {
    return this.screen.liveVersion();
  }

  get tooSmall(): boolean {
    return this.size.columns < minimumSize.columns || this.size.rows < minimumSize.rows;
  }

  resize(size: Size): void {
    this.size = size;
    for (const { screen } of this.#stack) screen.resize();
    this.changed();
  }

  open(page: Page): void {
    this.screen.hide();
    this.#stack.push(page);
    this.#showTop();
  }

  /** Closes all pages but the first and opens `pages` above it. */
  jump(pages: readonly Page[]): void {
    this.screen.hide();
    this.#stack = [...this.#stack.slice(0, 1), ...pages];
    this.#showTop();
  }

  back(): void {
    if (this.screen.back()) this.changed();
    else if (!this.#atRoot) {
      this.#stack.pop()?.screen.hide();
      this.#showTop();
    }
  }

  ask(overlay: ConfirmOverlay): void {
    this.overlay = overlay;
    this.changed();
  }

  say(kind: Message['kind'], ...lines: readonly string[]): void {
    this.message = { kind, lines: lines.map((line) => this.typable(line)) };
    this.changed();
  }

  /** Replaces the commands in a hint by the form that the user types. */
  typable(text: string): string {
    return typable(text, this.options.command);
  }

  copy(text: string, what: string): void {
    this.options.copy(text);
    this.say('done', `copied ${what}`);
  }

  /** Shows a failure. An expired login opens the login screen, and the present screen comes back afterwards. */
  fail(error: unknown, lines: Explain): void {
    const known = toPlatformError(error);
    if (known.code === 'unauthorized' && this.session.token !== null && !this.#loginShows) this.loginExpired();
    else this.say('error', ...lines(known));
  }

  /** Opens the login screen above the present one. Does nothing while it shows. */
  loginExpired(): void {
    if (this.#loginShows) return;
    this.screen.hide();
    this.#stack.push(this.#places.login());
    this.say('error', 'the login has expired; log in to go on where you were');
    this.#showTop();
  }

  /** Whether no page is left to go back to. Below a login there are only pages that need it. */
  get #atRoot(): boolean {
    return this.#stack.length === 1 || this.#loginShows;
  }

  get #loginShows(): boolean {
    return this.#stack.at(-1)?.screen.isLogin === true;
  }

  /** Stores the session after a login; the screens below load again, as the new user. */
  loggedIn(session: Session): void {
    this.session = session;
    this.client = new Client(session);
    this.user = session.user;
    this.connection = 'online';
    this.#stack.pop()?.screen.hide();
    this.message = null;
    this.#showTop();
  }

  /** Forgets the login, and leaves the first screen alone, below the login screen. */
  loggedOut(): void {
    this.session = { ...this.session, token: null, user: null, tokenFrom: null };
    this.client = new Client(this.session);
    this.user = null;
    this.screen.hide();
    this.#stack = [...this.#stack.slice(0, 1), this.#places.login()];
    this.#showTop();
  }

  /**
   * Runs a long action, one at a time. Its step and elapsed time are shown, Esc cancels it, all other keys keep
   * working.
   */
  async run(step: string, work: (task: Task) => Promise<void>, lines: Explain): Promise<void> {
    if (this.task !== null) {
      this.task.isInTheWay = true;
      return this.changed();
    }
    const task = new Task(step, this.changed);
    this.task = task;
    this.message = null;
    this.changed();
    try {
      await work(task);
    } catch (error) {
      if (task.cancelled) this.say('error', `cancelled: ${task.step}`);
      else this.fail(error, lines);
    } finally {
      task.end();
      this.task = null;
      this.changed();
    }
  }

  loader<T>(load: (signal: AbortSignal) => Promise<T>, everyMs: number | null, loaded?: (data: T) => void): Loader<T> {
    return new Loader({
      load,
      everyMs,
      changed: this.changed,
      loaded: (data) => {
        this.connection = 'online';
        loaded?.(data);
      },
      failed: (error) => {
        if (error.code === 'unavailable') this.connection = 'offline';
        if (error.code === 'unauthorized') this.loginExpired();
      },
    });
  }

  /** Returns the present key bindings, which the footer shows. */
  bindings(): readonly Binding[] {
    const { overlay, task } = this;
    if (overlay === null) {
      if (task === null) return this.screenBindings();
      const cancel = { keys: ['esc'], label: 'cancel', help: `cancel: ${task.step}`, run: () => task.cancel() };
      return [cancel, ...this.screenBindings()];
    }
    const close = () => this.#close();
    if (overlay.kind === 'confirm') return confirmBindings(overlay, close);
    if (overlay.kind === 'jump') return jumpBindings(overlay, close);
    return helpBindings(overlay, { close, count: helpRows(this.screenBindings()).length, rows: this.size.rows - 6 });
  }

  /** Returns the bindings of the screen itself, without overlays, which the help shows. */
  screenBindings(): readonly Binding[] {
    const typing = this.screen.typing() !== null;
    const atRoot = this.#atRoot;
    const leave: Binding = atRoot
      ? { keys: ['q'], label: 'quit', help: 'quit', run: () => this.options.exit() }
      : { keys: ['esc', ...(typing ? [] : ['q'])], label: 'back', help: 'back one level', run: () => this.back() };
    return [
      ...this.screen.bindings(),
      ...(typing
        ? []
        : [
            { keys: [':'], help: 'jump to a screen or handler', run: () => this.#openJump() },
            { keys: ['?'], label: 'help', help: 'this help', run: () => this.#openHelp() },
          ]),
      ...(atRoot ? [{ keys: ['esc'], help: 'clear the message or filter', run: () => this.back() }] : []),
      { keys: ['ctrl-z'], help: 'back to the shell; fg continues here', run: () => this.suspend() },
      ...(typing && atRoot ? [] : [leave]),
      {
        keys: ['ctrl-c'],
        ...(typing && atRoot ? { label: 'quit' } : {}),
        help: 'quit',
        run: () => this.options.exit(),
      },
    ];
  }

  /** Handles a key: Ctrl-C and Ctrl-Z first, then a field that is typed into, then bindings. */
  press(press: KeyPress): void {
    if (press.name === 'ctrl-c' || press.name === 'ctrl-z') {
      if (press.name === 'ctrl-c') this.options.exit();
      else this.suspend();
      return;
    }
    if (this.tooSmall) {
      if (press.name === 'q') this.options.exit();
      return;
    }
    if (this.#typing()?.press(press)) this.message = null;
    else this.#pressBinding(press);
    this.changed();
  }

  /**
   * Inserts pasted text into the text field that has the focus. Without a field it does nothing and fires no shortcuts.
   */
  paste(text: string): void {
    const refused = this.#typing()?.insert(text) ?? null;
    if (refused === null) this.changed();
    else this.say('error', refused);
  }

  #pressBinding(press: KeyPress): void {
    const binding = findBinding(this.bindings(), press);
    if (binding === undefined) return;
    this.message = null;
    binding.run(press);
  }

  /** Returns the target of typed letters: an overlay first, then the screen; null: letters are shortcuts. */
  #typing(): TypingTarget | null {
    if (this.overlay === null) return this.screen.typing();
    return this.overlay.kind === 'jump' ? this.overlay : null;
  }

  #openHelp(): void {
    this.overlay = { kind: 'help', top: 0 };
  }

  #openJump(): void {
    this.overlay = new JumpOverlay(this.#places.jumps, (text) => this.say('error', `nothing is called ${text}`));
  }

  #close(): void {
    this.overlay = null;
    this.changed();
  }

  #showTop(): void {
    this.screen.resize();
    this.screen.show();
    this.changed();
  }

  async #askWhoIAm(): Promise<void> {
    try {
      this.user = await this.client.whoAmI();
      this.changed();
    } catch (error) {
      // The screen's own requests meet the same failure and report it.
      if (!(error instanceof PlatformError)) throw error;
    }
  }
}

function fail(message: string): never {
  throw new Error(message);
}
