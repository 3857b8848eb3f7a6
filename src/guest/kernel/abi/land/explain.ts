/** Returns the words for an Errno in the message with which a Land program ends. */
import { Errno } from '../../errno.ts';

const words: ReadonlyMap<number, string> = new Map<number, string>([
  [Errno.invalid, 'invalid name'],
  [Errno.denied, 'not open for that'],
  [Errno.notFound, 'no such file or directory'],
  [Errno.badDescriptor, 'no such descriptor'],
  [Errno.tooManyOpen, 'too many open files'],
  [Errno.noSpace, 'no space left in scratch'],
  [Errno.closed, 'closed'],
  [Errno.notDirectory, 'not a directory'],
  [Errno.isDirectory, 'is a directory'],
  [Errno.loop, 'too many symbolic links'],
  [Errno.nameTooLong, 'name too long'],
  [Errno.readOnly, 'read-only (only /tmp can be written)'],
  [Errno.tooBig, 'file too big'],
  [Errno.outside, 'outside of what this program may reach'],
]);

export function explain(errno: number): string {
  return words.get(errno) ?? `failed (${errno})`;
}
