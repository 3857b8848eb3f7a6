/**
 * Error numbers of the kernel, independent of any ABI. They are negative, so one number can be a count or an error.
 * Each ABI translates them in one table beside its functions; an error that is not in the table never becomes a
 * success.
 */
export const Errno = {
  unknown: -1,
  invalid: -2,
  denied: -3,
  notFound: -4,
  /** The stream has ended. WASI reports 0 bytes, CommonWA -5. */
  end: -5,
  badDescriptor: -6,
  unknownScheme: -7,
  tooManyOpen: -8,
  noSpace: -9,
  closed: -10,
  timedOut: -11,
  refused: -12,
  exists: -13,
  notDirectory: -14,
  isDirectory: -15,
  notEmpty: -16,
  loop: -17,
  nameTooLong: -18,
  readOnly: -19,
  notSupported: -20,
  notSeekable: -21,
  tooBig: -22,
  overflow: -24,
  illegalSequence: -25,
  crossDevice: -26,
  busy: -27,
  /** The path leads out of the directory at which it starts. */
  outside: -28,
  /** What the owner of the function may store is used up. */
  overQuota: -29,
} as const;

export type Errno = (typeof Errno)[keyof typeof Errno];
