/**
 * Keeps timestamps exact. node:fs sets them as doubles in seconds, which loses about the last 240 ns. A guest reads the
 * times that it has set, as long as the host still shows the values that resulted from them.
 */
import { type BigIntStats, fstatSync, futimesSync, lstatSync, lutimesSync } from 'node:fs';
import type { Times } from './node.ts';

interface Blurred {
  readonly hostNs: bigint;
  readonly exactNs: bigint;
}

interface Remembered {
  readonly atim: Blurred;
  readonly mtim: Blurred;
}

/** Most files whose times are kept in one run; other files show the inexact values. */
const rememberedMax = 10_000;

export class HostTimes {
  readonly #byInode = new Map<string, Remembered>();

  atimNs(stat: BigIntStats): bigint {
    const known = this.#byInode.get(inodeKey(stat));
    return known?.atim.hostNs === stat.atimeNs ? known.atim.exactNs : stat.atimeNs;
  }

  mtimNs(stat: BigIntStats): bigint {
    const known = this.#byInode.get(inodeKey(stat));
    return known?.mtim.hostNs === stat.mtimeNs ? known.mtim.exactNs : stat.mtimeNs;
  }

  /** Sets the times of an open file, or of `path` itself if it is a link. Throws as node:fs does. */
  set(target: number | string, times: Times): void {
    const stat = (): BigIntStats =>
      typeof target === 'number' ? fstatSync(target, { bigint: true }) : lstatSync(target, { bigint: true });
    const before = stat();
    const atimNs = times.atimNs ?? this.atimNs(before);
    const mtimNs = times.mtimNs ?? this.mtimNs(before);
    if (typeof target === 'number') futimesSync(target, seconds(atimNs), seconds(mtimNs));
    else lutimesSync(target, seconds(atimNs), seconds(mtimNs));
    const after = stat();
    if (this.#byInode.size >= rememberedMax) this.#byInode.clear();
    this.#byInode.set(inodeKey(after), {
      atim: { hostNs: after.atimeNs, exactNs: atimNs },
      mtim: { hostNs: after.mtimeNs, exactNs: mtimNs },
    });
  }
}

export function inodeKey(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}`;
}

function seconds(timeNs: bigint): number {
  return Number(timeNs) / 1e9;
}
