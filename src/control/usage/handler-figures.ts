/**
 * Counts calls by handler since the start of this process, for readers that compare two moments (/metrics). Runners
 * send differences, so that a counter never goes back when a runner is replaced.
 */
import {
  type Bounds,
  bucketOf,
  callGas,
  callSeconds,
  emptyBuckets,
  statusClasses,
  type TracedCall,
} from '../../protocol/distributions.ts';
import type { UsageCount } from '../../protocol/messages.ts';
import type { HandlerId } from '../../protocol/names.ts';
import { positive, whole } from './usage-counts.ts';

export const figureLimits = {
  /**
   * Handlers that are counted by themselves: those called first. Each has some 35 lines in /metrics, and a Prometheus
   * keeps a series for each line. All others are counted together.
   */
  handlers: 1_000,
} as const;

export interface HandlerFigures {
  /** Calls by class of their status, in the order of `statusClasses`. */
  readonly classes: readonly number[];
  readonly failures: number;
  readonly seconds: FigureDistribution;
  readonly gas: FigureDistribution;
}

/** Numbers of calls by bucket, and the sum of their seconds or gas. */
export interface FigureDistribution {
  readonly bounds: Bounds;
  readonly buckets: readonly number[];
  readonly sum: number;
  /** Last traced call of each bucket; undefined: there was none. */
  readonly traced: readonly (TracedCall | undefined)[];
}

/** A FigureDistribution that is being counted: numbers by bucket, and the sum. */
interface Distributed extends FigureDistribution {
  readonly buckets: number[];
  readonly traced: (TracedCall | undefined)[];
  sum: number;
}

interface Figures extends HandlerFigures {
  readonly classes: number[];
  readonly seconds: Distributed;
  readonly gas: Distributed;
  failures: number;
}

const traceIdPattern = /^[0-9a-f]{32}$/;

export class FiguresByHandler {
  readonly #byId = new Map<HandlerId, Figures>();
  readonly #others = emptyFigures();

  add(counts: readonly UsageCount[]): void {
    for (const count of counts) addCount(this.#of(count.handlerId), count);
  }

  /** Ids of the handlers that are counted by themselves. */
  get ids(): readonly HandlerId[] {
    return [...this.#byId.keys()];
  }

  of(handlerId: HandlerId): HandlerFigures | undefined {
    return this.#byId.get(handlerId);
  }

  /** Sum over all handlers that are not, or no longer, counted by themselves. */
  get others(): HandlerFigures {
    return this.#others;
  }

  /**
   * Counts a handler with the others from now on, together with what has been counted: it has been deleted, or never
   * was.
   */
  merge(handlerId: HandlerId): void {
    const figures = this.#byId.get(handlerId);
    if (figures === undefined) return;
    this.#byId.delete(handlerId);
    const { classes, seconds, gas } = this.#others;
    addTo(classes, figures.classes);
    this.#others.failures += figures.failures;
    for (const [to, from] of [
      [seconds, figures.seconds],
      [gas, figures.gas],
    ] as const) {
      addTo(to.buckets, from.buckets);
      to.sum += from.sum;
    }
  }

  #of(handlerId: HandlerId): Figures {
    const known = this.#byId.get(handlerId);
    if (known !== undefined) return known;
    if (this.#byId.size >= figureLimits.handlers) return this.#others;
    const figures = emptyFigures();
    this.#byId.set(handlerId, figures);
    return figures;
  }
}

/** Adds a runner's counts. A runner runs hostile guests: what is no count adds nothing. */
function addCount(to: Figures, { failures, durationMs, gas, figures }: UsageCount): void {
  to.failures += whole(failures);
  if (figures === undefined || figures === null) return;
  addTo(to.classes, figures.classes);
  addTo(to.seconds.buckets, figures.seconds);
  addTo(to.gas.buckets, figures.gas);
  to.seconds.sum += positive(durationMs) / 1_000;
  to.gas.sum += whole(gas);
  const { traced } = figures;
  if (traced === null || typeof traced !== 'object' || !traceIdPattern.test(traced.traceId)) return;
  const call = {
    traceId: traced.traceId,
    seconds: positive(traced.seconds),
    gas: whole(traced.gas),
    timeMs: Math.floor(positive(traced.timeMs)),
  };
  to.seconds.traced[bucketOf(callSeconds, call.seconds)] = call;
  to.gas.traced[bucketOf(callGas, call.gas)] = call;
}

function addTo(counts: number[], more: readonly number[]): void {
  if (!Array.isArray(more)) return;
  for (let index = 0; index < counts.length; index++) counts[index] = (counts[index] ?? 0) + whole(more[index] ?? 0);
}

function emptyFigures(): Figures {
  const distribution = (bounds: Bounds): Distributed => ({ bounds, buckets: emptyBuckets(bounds), sum: 0, traced: [] });
  return {
    classes: new Array<number>(statusClasses.length).fill(0),
    failures: 0,
    seconds: distribution(callSeconds),
    gas: distribution(callGas),
  };
}
