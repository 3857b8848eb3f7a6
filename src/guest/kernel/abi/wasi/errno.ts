/** Lists the error numbers of WASI (witx: errno) and translates the kernel's errors into them. */
import { Errno } from '../../errno.ts';

export const Wasi = {
  success: 0,
  toobig: 1,
  acces: 2,
  again: 6,
  badf: 8,
  busy: 10,
  canceled: 11,
  connrefused: 14,
  dquot: 19,
  exist: 20,
  fault: 21,
  fbig: 22,
  ilseq: 25,
  inval: 28,
  io: 29,
  isdir: 31,
  loop: 32,
  mfile: 33,
  nametoolong: 37,
  nodev: 43,
  noent: 44,
  nospc: 51,
  nosys: 52,
  notconn: 53,
  notdir: 54,
  notempty: 55,
  notsock: 57,
  notsup: 58,
  overflow: 61,
  perm: 63,
  pipe: 64,
  rofs: 69,
  spipe: 70,
  timedout: 73,
  xdev: 75,
  notcapable: 76,
} as const;

const translated: ReadonlyMap<number, number> = new Map<number, number>([
  [Errno.unknown, Wasi.io],
  [Errno.invalid, Wasi.inval],
  [Errno.denied, Wasi.acces],
  [Errno.notFound, Wasi.noent],
  // The end of a stream is a success with 0 bytes. Callers that count bytes compare with Errno.end first.
  [Errno.end, Wasi.success],
  [Errno.badDescriptor, Wasi.badf],
  [Errno.unknownScheme, Wasi.nodev],
  [Errno.tooManyOpen, Wasi.mfile],
  [Errno.noSpace, Wasi.nospc],
  [Errno.closed, Wasi.pipe],
  [Errno.timedOut, Wasi.timedout],
  [Errno.refused, Wasi.connrefused],
  [Errno.exists, Wasi.exist],
  [Errno.notDirectory, Wasi.notdir],
  [Errno.isDirectory, Wasi.isdir],
  [Errno.notEmpty, Wasi.notempty],
  [Errno.loop, Wasi.loop],
  [Errno.nameTooLong, Wasi.nametoolong],
  [Errno.readOnly, Wasi.rofs],
  [Errno.notSupported, Wasi.notsup],
  [Errno.notSeekable, Wasi.spipe],
  [Errno.tooBig, Wasi.fbig],
  [Errno.overflow, Wasi.overflow],
  [Errno.illegalSequence, Wasi.ilseq],
  [Errno.crossDevice, Wasi.xdev],
  [Errno.busy, Wasi.busy],
  // perm, not notcapable: no right would make such a path valid.
  [Errno.outside, Wasi.perm],
  [Errno.overQuota, Wasi.dquot],
]);

/** Returns 0 if `result` is a count, else the errno of WASI; io for an Errno that is not in the table. */
export function toWasi(result: number): number {
  return result >= 0 ? Wasi.success : (translated.get(result) ?? Wasi.io);
}
