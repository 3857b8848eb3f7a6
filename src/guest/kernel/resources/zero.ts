/** Opens `zero:`: reads fill with zero bytes; writes are taken and dropped. */
import type { Scheme } from '../process.ts';

export const zeroScheme: Scheme = {
  names: ['zero'],
  open: () => ({
    scheme: 'zero',
    read: (into) => {
      into.fill(0);
      return into.length;
    },
    write: (bytes) => bytes.length,
    flush: () => 0,
    close: () => 0,
  }),
};
