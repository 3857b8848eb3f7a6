/** The objects of a push, read by its pre-receive hook, in whose environment alone they exist. */
import type { Socket } from 'node:net';
import { z } from 'zod';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { PushedObjects, TreeEntry } from '../../protocol/push.ts';
import { encodeFrame, type Frame, type FrameReader } from './frames.ts';

const answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('listing') }),
  z.object({ kind: z.literal('toomany') }),
  z.object({ kind: z.literal('object') }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);

export class HookObjects implements PushedObjects {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #waiting: { resolve: (frame: Frame) => void; reject: (error: Error) => void } | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #failed: Error | null = null;

  constructor(socket: Socket, reader: FrameReader) {
    this.#socket = socket;
    this.#reader = reader;
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      this.#pump();
    });
    socket.once('close', () => this.#fail(new PlatformError('bad_request', 'the push was interrupted')));
  }

  async list(commit: string): Promise<readonly TreeEntry[]> {
    const { head, bytes } = await this.#ask({ kind: 'list', commit });
    if (kindOf(head) === 'toomany')
      throw new PlatformError('tree_invalid', `the commit has more than ${pushLimits.treeFiles} files`, {
        hints: ['push what the function needs only; git rm --cached -r node_modules removes a folder'],
      });
    return parseTree(bytes);
  }

  async read(oid: string, bytesMax: number): Promise<Uint8Array> {
    const { bytes } = await this.#ask({ kind: 'read', oid, bytesMax });
    if (bytes.length > bytesMax) throw new PlatformError('limit_exceeded', `an object has more than ${bytesMax} bytes`);
    return bytes;
  }

  /** One question at a time: the hook answers in order. */
  #ask(question: object): Promise<Frame> {
    const asked = this.#last
      .catch(() => {})
      .then(
        () =>
          new Promise<Frame>((resolve, reject) => {
            if (this.#failed !== null) return reject(this.#failed);
            this.#waiting = { resolve, reject };
            this.#socket.write(encodeFrame(question));
            this.#pump();
          }),
      )
      .then((frame) => {
        const head = answer.parse(frame.head);
        if (head.kind === 'failed')
          throw new PlatformError('internal', `the pushed objects cannot be read: ${head.message}`);
        return frame;
      });
    this.#last = asked;
    return asked;
  }

  #pump(): void {
    if (this.#waiting === null) return;
    try {
      const frame = this.#reader.next();
      if (frame === undefined) return;
      const { resolve } = this.#waiting;
      this.#waiting = null;
      resolve(frame);
    } catch (error) {
      this.#socket.destroy();
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#waiting?.reject(this.#failed);
    this.#waiting = null;
  }
}

function kindOf(head: unknown): string {
  return answer.parse(head).kind;
}

/** Output of `git ls-tree -r -z -l`: `mode type oid size TAB path NUL`; the size is `-` for what is no blob. */
export function parseTree(bytes: Uint8Array): readonly TreeEntry[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return text
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^([0-7]{6}) (?:blob|commit|tree) ([0-9a-f]{40}|[0-9a-f]{64}) +(\d+|-)\t(.+)$/s.exec(line);
      if (match === null) throw new PlatformError('internal', 'git listed a tree in a form we do not know');
      return { mode: match[1]!, oid: match[2]!, size: match[3] === '-' ? 0 : Number(match[3]), path: match[4]! };
    });
}
