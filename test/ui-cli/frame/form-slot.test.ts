import { expect, test } from 'vitest';
import { FormSlot } from '../../../ui-cli/frame/form-slot.ts';

function enter(slot: FormSlot): void {
  slot
    .bindings()
    .find(({ keys }) => keys.includes('enter'))
    ?.run({ name: 'enter', text: '' });
}

test('what cannot be undone is done for the name alone', () => {
  const done: string[] = [];
  const said: string[] = [];
  const slot = new FormSlot();
  slot.askName(
    { say: (_kind, ...lines) => void said.push(...lines) },
    { name: 'otter', title: 'Delete it', verb: 'delete', done: 'deleted', notes: [], run: () => done.push('deleted') },
  );
  for (const name of ['', 'otte', 'Otter', 'otter2']) {
    slot.open!.form.input!.value = name;
    enter(slot);
  }
  expect(done).toEqual([]);
  expect(said).toEqual(Array.from({ length: 4 }, () => 'that is not otter; nothing was deleted'));
  slot.open!.form.input!.value = ' otter ';
  enter(slot);
  expect(done).toEqual(['deleted']);
});

test('a form of one field shows its one key, and closes', () => {
  const slot = new FormSlot();
  expect(slot.bindings()).toEqual([]);
  slot.ask({ title: 'T', verb: 'go', notes: [], fields: [{ label: 'A' }], submit: () => undefined });
  expect(slot.bindings().map(({ label }) => label)).toEqual(['go']);
  expect(slot.close()).toBe(true);
  expect(slot.close()).toBe(false);
  expect(slot.typing).toBeNull();
});
