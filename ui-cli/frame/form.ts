/** A list of fields, of which one has the focus. */
import type { Binding } from './bindings.ts';
import type { KeyPress } from './keys.ts';
import { TextInput, type TextInputOptions } from './text-input.ts';

export interface FieldOptions extends TextInputOptions {
  readonly label: string;
}

export interface Field {
  readonly label: string;
  readonly input: TextInput;
}

export class Form {
  readonly fields: readonly Field[];
  /** Index of the field that takes the keys. */
  focused = 0;
  readonly #submit: () => void;

  constructor(fields: readonly FieldOptions[], submit: () => void) {
    this.fields = fields.map((field) => ({ label: field.label, input: new TextInput(field) }));
    this.#submit = submit;
  }

  get input(): TextInput | null {
    return this.fields[this.focused]?.input ?? null;
  }

  value(label: string): string {
    return this.fields.find((field) => field.label === label)?.input.value ?? '';
  }

  press(press: KeyPress): boolean {
    return this.input?.press(press) ?? false;
  }

  /** Returns the bindings of a form: Enter goes to the next field, and submits at the last one. */
  bindings(verb: string): Binding[] {
    return [
      { keys: ['enter'], label: verb, help: `next field; at the last one: ${verb}`, run: () => this.#enter() },
      { keys: ['tab', 'down'], label: 'next field', help: 'next field', run: () => this.#move(1) },
      { keys: ['shift-tab', 'up'], help: 'field before', run: () => this.#move(-1) },
      { keys: ['ctrl-s'], help: `${verb} at once`, run: () => this.#submit() },
      ...(this.fields.some((field) => field.input.secret)
        ? [{ keys: ['ctrl-r'], label: 'reveal', help: 'show or hide what was typed', run: () => this.reveal() }]
        : []),
    ];
  }

  reveal(): void {
    for (const { input } of this.fields) if (input.secret) input.revealed = !input.revealed;
  }

  #enter(): void {
    if (this.focused === this.fields.length - 1) this.#submit();
    else this.#move(1);
  }

  #move(by: number): void {
    this.focused = (this.focused + by + this.fields.length) % this.fields.length;
  }
}
