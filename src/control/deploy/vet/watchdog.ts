/** Watches memory and time of one process from outside. */
import { residentBytes } from './resident-bytes.ts';

export interface WatchOptions {
  readonly pid: number;
  readonly rssBytes: number;
  readonly timeoutMs: number;
  /** Milliseconds between two checks. */
  readonly watchMs: number;
  /** Is called with the resident bytes when the process holds more than `rssBytes`; possibly more than once. */
  readonly onMemory: (rss: number) => void;
  /** Is called when `timeoutMs` have passed; possibly more than once. */
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
