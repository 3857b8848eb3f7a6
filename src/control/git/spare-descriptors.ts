/**
 * Keeps file descriptors free for a git process that is about to be started. node-git-server uses the pipes of a
 * process without checking that it was started: with EMFILE or ENFILE Node makes no pipes, and the library's TypeError
 * would end control. So descriptors are taken before, and given back right where the process is started.
 */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { PlatformError } from '../../protocol/errors.ts';

/** Descriptors: three pairs for git's pipes, one for its start, and some that other threads open just then. */
const spareMax = 16;

/**
 * Takes `spareMax` descriptors and returns the function that gives them back. Throws `unavailable` where there are
 * fewer.
 */
export function takeSpareDescriptors(): () => void {
  const taken: number[] = [];
  const release = (): void => {
    for (const descriptor of taken.splice(0)) closeSync(descriptor);
  };
  try {
    while (taken.length < spareMax) taken.push(openSync(devNull, 'r'));
  } catch (cause) {
    release();
    throw new PlatformError('unavailable', 'the platform has too many files and connections open', {
      hints: ['try again later; what is live stays live'],
      cause,
    });
  }
  return release;
}
