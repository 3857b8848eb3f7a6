/** Opens `random:` (alias `rand:`): reads return cryptographic random bytes; writes are errors. */
import { KIB } from '../../../protocol/limits.ts';
import { Errno } from '../errno.ts';
import type { Scheme } from '../process.ts';

/** Most bytes of one read, as in getRandomValues of the Web; a longer read is short. */
const chunkBytes = 64 * KIB;

export const randomScheme: Scheme = {
  names: ['random', 'rand'],
  open: (_url, guest) => ({
    scheme: 'random',
    read: (into) => {
      const chunk = into.subarray(0, chunkBytes);
      guest.options.random(chunk);
      return chunk.length;
    },
    write: () => Errno.notSupported,
    flush: () => 0,
    close: () => 0,
  }),
};
