/** Opens `time://utc`: each read returns 8 bytes, little-endian Unix seconds; writes are errors. */
import { Errno } from '../errno.ts';
import type { Scheme } from '../process.ts';

const timeBytes = 8;

export const timeScheme: Scheme = {
  names: ['time'],
  open: (url, guest) => {
    if (!/^time:(\/\/)?(utc\/?)?$/i.test(url)) return Errno.notFound;
    return {
      scheme: 'time',
      read: (into) => {
        if (into.length === 0) return 0;
        // A part of the number would be another number.
        if (into.length < timeBytes) return Errno.invalid;
        const seconds = BigInt(Math.floor(guest.options.clock.wallMs() / 1000));
        new DataView(into.buffer, into.byteOffset).setBigInt64(0, seconds, true);
        return timeBytes;
      },
      write: () => Errno.notSupported,
      flush: () => 0,
      close: () => 0,
    };
  },
};
