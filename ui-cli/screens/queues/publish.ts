/** Asks for a message and publishes it. */
import { queueLimits } from '../../../src/protocol/limits.ts';
import type { NewMessage } from '../../client/queues.ts';
import type { App } from '../../frame/app.ts';
import type { Form } from '../../frame/form.ts';
import type { FormSlot } from '../../frame/form-slot.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';

const textType = 'text/plain; charset=utf-8';

interface PublishOptions {
  /** Name that the form proposes. */
  readonly queue: string;
  readonly published: () => void;
}

export function askPublish(app: App, slot: FormSlot, { queue, published }: PublishOptions): void {
  slot.ask({
    title: 'Publish a message',
    verb: 'publish',
    notes: [
      'A second message with the same key within 24 hours is not published; messages of one group are delivered one after the other.',
      'From a file, or many at once: wasmcloud queue publish NAME --file FILE, wasmcloud queue import NAME FILE.ndjson',
    ],
    fields: [
      { label: 'Queue', value: queue, placeholder: 'emails' },
      { label: 'Message', multiline: true },
      { label: 'Type', value: textType },
      { label: 'Key', placeholder: 'none' },
      { label: 'Group', placeholder: 'none' },
      { label: 'Delay in seconds', placeholder: 'none' },
    ],
    focus: queue === '' ? 'Queue' : 'Message',
    submit: (form) => void publish(app, { slot, form, published }),
  });
}

async function publish(
  app: App,
  asked: { readonly slot: FormSlot; readonly form: Form; readonly published: () => void },
): Promise<void> {
  const { slot, form, published } = asked;
  const queue = form.value('Queue').trim();
  if (queue === '') return app.say('error', 'the message needs a queue: type its name');
  const delayMs = delayOf(form.value('Delay in seconds').trim());
  if (delayMs === null)
    return app.say(
      'error',
      `the delay is a number of seconds, at most ${queueLimits.delayMs / 1000}; nothing was published`,
    );
  await app.run(
    `publishing to ${visible(queue)}`,
    async ({ abort: { signal } }) => {
      const done = await app.client.queues.publish(queue, messageOf(form, delayMs), { signal });
      slot.close();
      const id = done.id ?? '';
      app.say(
        'done',
        done.published === 1 ? `published ${id} to ${visible(queue)}` : `${visible(queue)} has got it before: ${id}`,
      );
      published();
    },
    errorLines,
  );
}

function messageOf(form: Form, delayMs: number): NewMessage {
  const [type, key, group] = ['Type', 'Key', 'Group'].map((label) => form.value(label).trim());
  return {
    bytes: Buffer.from(form.value('Message')),
    type: type === undefined || type === '' ? null : type,
    ...(key === undefined || key === '' ? {} : { key }),
    ...(group === undefined || group === '' ? {} : { group }),
    ...(delayMs === 0 ? {} : { delayMs }),
  };
}

/** Returns milliseconds; null for text that is no number of seconds in range. '' is 0. */
function delayOf(text: string): number | null {
  const ms = Math.round(Number(text) * 1000);
  return Number.isNaN(ms) || ms < 0 || ms > queueLimits.delayMs ? null : ms;
}
