/** Reads the objects of a push through its pre-receive hook: only in the hook's environment do they exist. */
import type { Socket } from 'node:net';
import { z } from 'zod';
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import type { CommitWords, PushedObjects, TreeEntry } from '../../protocol/push.ts';
import { encodeFrame, type Frame, type FrameReader } from './frames.ts';
import { size } from './push-text.ts';

const answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('listing') }),
  z.object({ kind: z.literal('toomany') }),
  z.object({ kind: z.literal('object') }),
  z.object({ kind: z.literal('about') }),
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
      throw new PlatformError(
        'tree_invalid',
        `the commit has more than ${pushLimits.treeFiles} files, or ${size(pushLimits.treeListBytes)} of paths`,
        {
          hints: ['push what the function needs only; git rm --cached -r node_modules removes a folder'],
        },
      );
    return parseTree(bytes);
  }

  async read(oid: string, bytesMax: number): Promise<Uint8Array> {
    const { bytes } = await this.#ask({ kind: 'read', oid, bytesMax });
    if (bytes.length > bytesMax) throw new PlatformError('limit_exceeded', `an object has more than ${bytesMax} bytes`);
    return bytes;
  }

  async about(commit: string): Promise<CommitWords> {
    return parseAbout((await this.#ask({ kind: 'about', commit })).bytes);
  }

  /** Asks one question at a time, since the hook answers in order. Throws `internal`, `bad_request`. */
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

/**
 * Parses the output of `git ls-tree -r -z -l`: `mode type oid size TAB path NUL`; entries that are no blobs have the
 * size `-`, and those of folders (`-t`) are left out. Throws `internal` for any other form.
 */
export function parseTree(bytes: Uint8Array): readonly TreeEntry[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: TreeEntry[] = [];
  for (let at = 0, end = 0; at < all.length; at = end + 1) {
    end = all.indexOf(0, at);
    const tab = all.indexOf(9, at);
    const match = /^([0-7]{6}) (?:blob|commit|tree) ([0-9a-f]{40}|[0-9a-f]{64}) +(\d+|-)$/.exec(
      all.toString('latin1', at, tab),
    );
    if (match === null || tab < 0 || tab >= end)
      throw new PlatformError('internal', 'git listed a tree in a form we do not know');
    const [, mode = '', oid = '', size] = match;
    if (mode === '040000') continue;
    entries.push({ mode, oid, size: size === '-' ? 0 : Number(size), ...nameOf(all.subarray(tab + 1, end)) });
  }
  return entries;
}

/** Parses `author NUL subject NUL`, the beginning of which may be all that there is. */
export function parseAbout(bytes: Uint8Array): CommitWords {
  const [author, subject] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').split('\0');
  return { author: words(author), subject: words(subject) };
}

function words(text = ''): string | null {
  const cut = [...text.trim()].slice(0, pushLimits.commitWordsMax).join('');
  return cut === '' ? null : cut;
}

function nameOf(bytes: Buffer): Pick<TreeEntry, 'path' | 'isUtf8'> {
  const path = bytes.toString('utf8');
  if (Buffer.from(path).equals(bytes)) return { path, isUtf8: true };
  const escaped = bytes.toString('latin1').replace(/[\x80-\xff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
  return { path: escaped, isUtf8: false };
}
