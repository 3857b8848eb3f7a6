/** A screen as the app sees it. State lives in screens, outside React; components only draw it. */
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import type { TextInput } from './text-input.ts';

export interface TypingTarget {
  /** False: the key is not for the text; it may be a shortcut. */
  press(press: KeyPress): boolean;
  /** Takes pasted text; returns why it cannot, or null. */
  insert(text: string): string | null;
}

export interface Status {
  readonly text: string;
  /** A filter is being typed. */
  readonly input?: TextInput;
  readonly tone?: 'plain' | 'warning' | 'error';
}

export abstract class Screen {
  /** The login: shown once at most, and not a place to come back to. */
  readonly isLogin: boolean = false;
  /** Its part of the breadcrumb. */
  abstract readonly crumbs: readonly string[];
  /** What keys do now; the footer and the help are made from it. */
  abstract bindings(): readonly Binding[];

  /** Rows above the body that the screen draws itself, such as its tabs. */
  readonly headRows: number = 0;

  /** Why there is nothing to show; stands in the place of the body. */
  failure(): PlatformError | null {
    return null;
  }

  /** What is live, where the screen is about a handler. */
  liveVersion(): string | null {
    return null;
  }

  /** What the message line says when nothing happened: a filter, a position, old data. */
  status(): Status {
    return { text: '' };
  }

  /** Whether a filter is typed; its line needs a row. */
  get typesFilter(): boolean {
    return false;
  }

  /** Where typed letters go now; null lets them be shortcuts. */
  typing(): TypingTarget | null {
    return null;
  }

  /** It becomes the one that shows: start loading. */
  show(): void {}

  /** It no longer shows: stop whatever costs. */
  hide(): void {}

  /** The terminal's size or the data changed: keep selections inside. */
  resize(): void {}

  /** Esc was pressed. True: something inside was closed, so the screen stays. */
  back(): boolean {
    return false;
  }
}
