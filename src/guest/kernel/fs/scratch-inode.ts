/** Inodes of scratch, and the state that all nodes of one Process share. */
import type { NodeKind, Stat, Times } from './node.ts';
import type { Quota } from './quota.ts';

/** Device number of scratch in `stat`. */
export const scratchDevice = 2n;

/** State that all nodes of one Process share. */
export class ScratchSpace {
  readonly quota: Quota;
  /** Returns Unix nanoseconds. */
  readonly nowNs: () => bigint;
  #ino = 0n;

  constructor(quota: Quota, nowNs: () => bigint) {
    this.quota = quota;
    this.nowNs = nowNs;
  }

  nextIno(): bigint {
    this.#ino += 1n;
    return this.#ino;
  }
}

export abstract class ScratchInode {
  abstract readonly kind: NodeKind;
  readonly ino: bigint;
  readonly space: ScratchSpace;
  /** Number of names. */
  nlink = 1;
  #atimNs: bigint;
  #mtimNs: bigint;
  #ctimNs: bigint;

  constructor(space: ScratchSpace) {
    this.space = space;
    this.ino = space.nextIno();
    this.#atimNs = this.#mtimNs = this.#ctimNs = space.nowNs();
  }

  /** Size as stat() has it: bytes of a file, of a symbolic link's target; 0 for a directory. */
  abstract get size(): number;

  stat(): Stat {
    return {
      kind: this.kind,
      dev: scratchDevice,
      ino: this.ino,
      nlink: this.nlink,
      size: this.size,
      atimNs: this.#atimNs,
      mtimNs: this.#mtimNs,
      ctimNs: this.#ctimNs,
    };
  }

  /** Sets the times that are not null. Returns 0. */
  setTimes(times: Times): number {
    if (times.atimNs !== null) this.#atimNs = times.atimNs;
    if (times.mtimNs !== null) this.#mtimNs = times.mtimNs;
    this.#ctimNs = this.space.nowNs();
    return 0;
  }

  /**
   * Sets the time of the last read at the first read after a change, as relatime of Linux: programs compare both times.
   */
  wasRead(): void {
    if (this.#atimNs <= this.#mtimNs) this.#atimNs = this.space.nowNs();
  }

  wasWritten(): void {
    this.#mtimNs = this.#ctimNs = this.space.nowNs();
  }

  wasChanged(): void {
    this.#ctimNs = this.space.nowNs();
  }
}
