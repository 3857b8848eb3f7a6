/** Collects garbage on demand, through a V8 flag that may be set at run time. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | null = null;

/** Collects garbage now; holds the thread for some milliseconds, more with a large heap. */
export function collectGarbage(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void; // a function under --expose-gc
  }
  collect();
}
