/** A form that a screen opens for one action: its title, its fields, and what is said below them. */
import { visible } from '../text/visible.ts';
import type { Binding } from './bindings.ts';
import { type FieldOptions, Form } from './form.ts';
import type { TypingTarget } from './typing-target.ts';

export interface AskedForm {
  readonly title: string;
  /** Word for the key that submits. */
  readonly verb: string;
  /** Lines below the fields. */
  readonly notes: readonly string[];
  readonly fields: readonly FieldOptions[];
  /** Label of the field that has the focus at first; absent: the first one. */
  readonly focus?: string;
  /** Is called with the form; it stays open until `close`, so that a refused value can be mended. */
  readonly submit: (form: Form) => void;
}

export interface AskedName extends Omit<AskedForm, 'fields' | 'submit'> {
  readonly name: string;
  /** What `run` does to the named thing, as in `nothing was deleted`. */
  readonly done: string;
  readonly run: () => void;
}

/** What says that a typed name is another one. */
interface Saying {
  say(tone: 'error', text: string): void;
}

export interface OpenForm {
  readonly form: Form;
  readonly title: string;
  readonly verb: string;
  readonly notes: readonly string[];
}

export class FormSlot {
  #open: OpenForm | null = null;

  /** The open form; null: none. */
  get open(): OpenForm | null {
    return this.#open;
  }

  get typing(): TypingTarget | null {
    return this.#open?.form.input ?? null;
  }

  ask({ title, verb, notes, fields, focus, submit }: AskedForm): void {
    const form = new Form(fields, () => submit(form));
    form.focused = Math.max(
      0,
      form.fields.findIndex(({ label }) => label === focus),
    );
    this.#open = { form, title, verb, notes };
  }

  /** Asks for a name to be typed before `run`, which cannot be undone. Another text changes nothing. */
  askName(app: Saying, { name, done, run, ...asked }: AskedName): void {
    const label = 'Its name';
    const submit = (form: Form) => {
      if (form.value(label).trim() === name) run();
      else app.say('error', `that is not ${visible(name)}; nothing was ${done}`);
    };
    this.ask({ ...asked, fields: [{ label }], submit });
  }

  /** Closes the form; returns false if none was open. */
  close(): boolean {
    const wasOpen = this.#open !== null;
    this.#open = null;
    return wasOpen;
  }

  /** Returns the bindings of the open form; none when no form is open. */
  bindings(): readonly Binding[] {
    if (this.#open === null) return [];
    const { form, verb } = this.#open;
    const all = form.bindings(verb);
    return form.fields.length > 1 ? all : all.filter(({ keys }) => keys[0] === 'enter' || keys[0] === 'ctrl-r');
  }
}
