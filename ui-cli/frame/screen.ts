/** Base class of screens, as the app uses it. Screens hold state outside React; components only draw it. */
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { Binding } from './bindings.ts';
import { FormSlot } from './form-slot.ts';
import type { TextInput } from './text-input.ts';
import type { TypingTarget } from './typing-target.ts';

export interface Status {
  readonly text: string;
  /** Filter that is being typed; absent: none. */
  readonly input?: TextInput;
  readonly tone?: 'plain' | 'warning' | 'error';
}

export abstract class Screen {
  /** Form of an action; while it is open, letters and Esc belong to it. Its bindings are a part of `bindings`. */
  readonly slot = new FormSlot();
  /** Whether it is the login, which is shown at most once and to which Esc does not return. */
  readonly isLogin: boolean = false;
  /** Part of the breadcrumb that names this screen. */
  abstract readonly crumbs: readonly string[];
  /** Returns the present key bindings, from which footer and help are made. */
  abstract bindings(): readonly Binding[];

  /** Number of rows above the body that the screen draws itself, such as tabs. */
  get headRows(): number {
    return 0;
  }

  /** Returns why there is no data to show, in place of the body; null: there is data. */
  failure(): PlatformError | null {
    return null;
  }

  /** Returns the live version of the screen's handler; null: none, or no handler. */
  liveVersion(): string | null {
    return null;
  }

  /** Returns the text of the message line when there is no message: a filter, a position, old data. */
  status(): Status {
    return { text: '' };
  }

  /** Whether a filter is typed; its line needs a row. */
  get typesFilter(): boolean {
    return false;
  }

  /** Returns the target of typed letters; null: letters are shortcuts. */
  typing(): TypingTarget | null {
    return this.slot.typing;
  }

  /** Starts loading: the screen has come to the top. */
  show(): void {}

  /** Stops all work: the screen no longer shows. */
  hide(): void {}

  /** Corrects selections: the terminal's size or the data has changed. */
  resize(): void {}

  /** Handles Esc. Returns true when something inside the screen was closed, so that the screen stays. */
  back(): boolean {
    return this.slot.close();
  }
}
