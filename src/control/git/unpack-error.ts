/** Makes an error that says why git could not take a pack and what to do, from git's own messages. */
import { PlatformError } from '../../protocol/errors.ts';
import { pushLimits } from '../../protocol/limits.ts';
import { objectMemoryBytes } from './git-environment.ts';
import { size } from './push-text.ts';

/**
 * Returns the error to show. `words`: git's text to the client and on stderr. `outcome`: what git's report says about
 * unpacking; null: git was ended before it could report.
 */
export function unpackError(words: string, outcome: string | null): PlatformError {
  if (/No space left on device|Disk quota exceeded/.test(words))
    return new PlatformError('unavailable', 'the platform cannot store anything now: its disk is full', {
      hints: ['try again later; what is live stays live'],
    });
  if (/pack exceeds maximum allowed size/.test(words))
    return new PlatformError('limit_exceeded', `the push has more than ${size(pushLimits.packBytes)}`, {
      hints: ['push part of the history at a time, or leave large files out of the repository'],
    });
  // A machine without memory, not a large object; the system may end git or refuse it a process instead.
  if (/Out of memory|Cannot allocate memory|Resource temporarily unavailable|died of signal \d+/.test(words))
    return new PlatformError('unavailable', 'git was ended on the server, which has too little memory now', {
      hints: ['try again later; what is live stays live'],
    });
  if (/attempting to allocate \d+ over limit/.test(words))
    return new PlatformError(
      'limit_exceeded',
      `an object of the push has more than ${size(objectMemoryBytes)} when it is unpacked`,
      {
        hints: ['leave large files out of the repository, or push them whole: git config core.bigFileThreshold 100m'],
      },
    );
  const finding = /error: object ([0-9a-f]{7,64}): (\w+): ([^\n]*)/.exec(words);
  if (finding !== null) {
    const [, object = '', name = '', problem = ''] = finding;
    return new PlatformError('tree_invalid', `object ${object.slice(0, 7)} is not safe to store: ${problem}`, {
      details: [`git calls it ${name}`],
      hints: [`git fsck --strict finds it in your repository`],
    });
  }
  if (outcome === null)
    return new PlatformError('unavailable', 'git was ended on the server before it was done', {
      hints: ['try again; what is live stays live'],
    });
  const fatal = /fatal: ([^\n]+)/.exec(words)?.[1] ?? outcome;
  return new PlatformError('bad_request', `git could not take the pack: ${fatal}`, {
    hints: ['git fsck tells whether your repository is whole; then push again'],
  });
}
