/**
 * Describes the differences between the two versions of WASI that guests import: two structures and one enumeration.
 * Error numbers, rights, flags, fdstat, dirent, prestat and event are the same in both versions.
 *
 * Source: WebAssembly/WASI, phases/snapshot/witx/typenames.witx (preview 1) and
 * phases/old/snapshot_0/witx/typenames.witx (snapshot 0, module wasi_unstable).
 */
export interface WasiVersion {
  /** Values of `whence`, the parameter of fd_seek. */
  readonly whence: { readonly set: number; readonly cur: number; readonly end: number };
  /** Offsets in a filestat, in bytes. */
  readonly filestat: {
    readonly bytes: number;
    readonly nlink: number;
    /** Bytes of nlink. */
    readonly nlinkBytes: 4 | 8;
    readonly size: number;
    /** Offset of atim; mtim and ctim follow, 8 bytes each. */
    readonly times: number;
  };
  readonly subscription: {
    readonly bytes: number;
    /** Offset of a clock's id in bytes. Its timeout comes 8 bytes later, its flags 24 bytes later. */
    readonly clock: number;
  };
}

/**
 * wasi_snapshot_preview1
 *
 *     filestat:     0 dev u64 | 8 ino u64 | 16 filetype u8 | 24 nlink u64 | 32 size u64 | 40 atim | 48 mtim | 56 ctim
 *     subscription: 0 userdata u64 | 8 tag u8 | 16 clock { id u32 | 24 timeout u64 | 32 precision u64 | 40 flags u16 }
 *                                             | 16 fd u32
 */
export const preview1: WasiVersion = {
  whence: { set: 0, cur: 1, end: 2 },
  filestat: { bytes: 64, nlink: 24, nlinkBytes: 8, size: 32, times: 40 },
  subscription: { bytes: 48, clock: 16 },
};

/**
 * wasi_unstable: a link count of 32 bits, and a clock's subscription that begins with an identifier.
 *
 *     filestat:     0 dev u64 | 8 ino u64 | 16 filetype u8 | 20 nlink u32 | 24 size u64 | 32 atim | 40 mtim | 48 ctim
 *     subscription: 0 userdata u64 | 8 tag u8 | 16 clock { identifier u64 | 24 id u32 | 32 timeout u64
 *                                                         | 40 precision u64 | 48 flags u16 }
 *                                             | 16 fd u32
 */
export const snapshot0: WasiVersion = {
  whence: { cur: 0, end: 1, set: 2 },
  filestat: { bytes: 56, nlink: 20, nlinkBytes: 4, size: 24, times: 32 },
  subscription: { bytes: 56, clock: 24 },
};
