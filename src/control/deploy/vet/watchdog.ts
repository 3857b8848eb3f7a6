/** Watches one process from outside, for memory and time. */
import { residentBytes } from './resident-bytes.ts';

export interface WatchOptions {
  readonly pid: number;
  readonly rssBytes: number;
  readonly timeoutMs: number;
  /** Time between two looks. */
  readonly watchMs: number;
  /** Called when the process holds more than `rssBytes`, with what it holds; possibly more than once. */
  readonly onMemory: (rss: number) => void;
  /** Called when `timeoutMs` have passed; possibly more than once. */
  readonly onTime: () => void;
}

/** Starts watching and returns the function that ends it. */
export function watchProcess(options: WatchOptions): () => void {
  const startMs = performance.now();
  const look = async () => {
    const rss = await residentBytes(options.pid);
    if (rss > options.rssBytes) options.onMemory(rss);
    if (performance.now() - startMs > options.timeoutMs) options.onTime();
  };
  const watch = setInterval(look, options.watchMs);
  return () => clearInterval(watch);
}
