/**
 * Keeps timestamps exact. node:fs sets them as doubles in seconds, which blurs the last 240 ns or so; a guest reads
 * back what it has set for as long as the host still shows the value that resulted from it.
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

/** Most files whose times are kept in one run; of others the blurred values are shown. */
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

  /** Sets the times of an open file, or of `path` itself where that is a link. Throws as node:fs does. */
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
