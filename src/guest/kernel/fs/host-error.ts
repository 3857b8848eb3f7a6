/** Translates errors of the operating system into those of the kernel. */
import { Errno } from '../errno.ts';

const byCode: Readonly<Record<string, number>> = {
  EACCES: Errno.denied,
  EPERM: Errno.denied,
  EBADF: Errno.badDescriptor,
  EBUSY: Errno.busy,
  EDQUOT: Errno.noSpace,
  EEXIST: Errno.exists,
  EFBIG: Errno.tooBig,
  EINVAL: Errno.invalid,
  EISDIR: Errno.isDirectory,
  ELOOP: Errno.loop,
  EMFILE: Errno.tooManyOpen,
  ENAMETOOLONG: Errno.nameTooLong,
  ENFILE: Errno.tooManyOpen,
  ENOENT: Errno.notFound,
  ENOSPC: Errno.noSpace,
  ENOTDIR: Errno.notDirectory,
  ENOTEMPTY: Errno.notEmpty,
  ENOTSUP: Errno.notSupported,
  EOPNOTSUPP: Errno.notSupported,
  EROFS: Errno.readOnly,
  ESPIPE: Errno.notSeekable,
  ETXTBSY: Errno.busy,
  EXDEV: Errno.crossDevice,
  ERR_OUT_OF_RANGE: Errno.invalid,
};

/** Returns the result of `call`, or the Errno of the error that it threw. */
export function attempt<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    const { code } = error as { code?: string }; // of Node; another finds no row
    return (code === undefined ? undefined : byCode[code]) ?? Errno.unknown;
  }
}

/** Returns 0, or the Errno of the error that `call` threw. */
export function attemptVoid(call: () => void): number {
  const result = attempt(() => {
    call();
    return 0;
  });
  return result;
}
