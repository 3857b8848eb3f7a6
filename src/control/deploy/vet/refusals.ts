/** Makes the errors of checks that did not end by themselves, in the words that the push shows. */
import { PlatformError } from '../../../protocol/errors.ts';
import { MIB } from '../../../protocol/limits.ts';

const largeFunctions = 'very large functions are the usual cause: build with optimisation for size, or split them';

/** Makes the error for a child that, with module `name`, held `rss` bytes of memory, more than `max`. */
export function tooMuchMemory(name: string, rss: number, max: number): PlatformError {
  return new PlatformError(
    'vet_failed',
    `checking ${name} took more than ${Math.round(max / MIB)} MiB of memory (${Math.round(rss / MIB)} MiB when it was stopped)`,
    { hints: [largeFunctions] },
  );
}

/** Makes the error for a check of module `name` that took longer than `timeoutMs`. */
export function tooSlow(name: string, timeoutMs: number): PlatformError {
  return new PlatformError(
    'vet_failed',
    `checking ${name} took longer than ${Math.round(timeoutMs / 100) / 10} s and was stopped`,
    {
      hints: [largeFunctions],
    },
  );
}

/**
 * Makes the error for a child that, with module `name`, died or failed instead of refusing it. `cause` is for the log.
 */
export function crashed(name: string, cause: string): PlatformError {
  return new PlatformError('vet_failed', `the check of ${name} failed; the module was not deployed`, {
    hints: ['try again; if it fails again, this module makes the WebAssembly engine fail'],
    cause: new Error(cause),
  });
}

/** Makes the error of a check whose push has gone. */
export function interrupted(): PlatformError {
  return new PlatformError('bad_request', 'the push was interrupted');
}

/** Makes the error for a push of a large module when all places for waiting are taken. */
export function tooManyLarge(): PlatformError {
  return new PlatformError('overloaded', 'too many modules of more than 64 MiB are being deployed', {
    hints: ['push again in some minutes'],
    retryAfterSeconds: 60,
  });
}

/** Makes the error for a check when all vets run and all places for waiting are taken. */
export function tooManyWaiting(): PlatformError {
  return new PlatformError('overloaded', 'too many modules wait to be checked', {
    hints: ['push again in a minute'],
    retryAfterSeconds: 60,
  });
}
