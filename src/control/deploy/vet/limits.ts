/** Bounds on vet children. */
import { pushLimits } from '../../../protocol/limits.ts';

export interface VetLimits {
  /** Vets at once: each may use a core and a gigabyte. */
  readonly children: number;
  /** Pushes waiting for a vet: at 20 s each, more would wait for minutes. */
  readonly waiting: number;
  /** Resident memory of one child, in bytes. */
  readonly rssBytes: number;
  /** Wall clock of one check, in milliseconds. */
  readonly timeoutMs: number;
  /** Time between two looks at a child's memory: a bomb that takes 2 GiB in a second adds 50 MB between them. */
  readonly watchMs: number;
}

export const vetLimits: VetLimits = {
  children: 2,
  waiting: 32,
  rssBytes: pushLimits.vetRssBytes,
  timeoutMs: pushLimits.vetTimeoutMs,
  watchMs: 20,
};
