/** Writes the messages of one delivery as the function's standard input (docs/queues.md). */
import type { QueueFraming } from '../../protocol/nouns.ts';
import type { TakenMessage } from './deliveries.ts';
import { bodyFields } from './download.ts';

export interface Framed {
  readonly body: Buffer;
  readonly contentType: string;
}

/** Returns the input of an Invocation that gets several messages. */
export function framed(messages: readonly TakenMessage[], framing: QueueFraming): Framed {
  if (framing === 'ndjson') {
    const lines = messages.map(({ id, attempt, contentType, body }) =>
      JSON.stringify({ id, attempt, contentType, ...bodyFields(body) }),
    );
    return { body: Buffer.from(`${lines.join('\n')}\n`), contentType: 'application/x-ndjson' };
  }
  const parts = messages.flatMap(({ body }) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return [length, body];
  });
  return { body: Buffer.concat(parts), contentType: 'application/octet-stream' };
}

/** Returns the input of an Invocation that gets one message: its bytes. */
export function single({ body, contentType }: TakenMessage): Framed {
  return {
    body: Buffer.from(body.buffer, body.byteOffset, body.length),
    contentType: contentType ?? 'application/octet-stream',
  };
}
