import type { PlatformError } from '../../src/protocol/errors.ts';
import { formatAgo } from '../text/format.ts';
import { visible } from '../text/visible.ts';
import type { Loader } from './loader.ts';
import type { Status } from './screen.ts';

type Loading = Pick<Loader<unknown>, 'data' | 'error' | 'loadedMs' | 'sinceMs'>;

/** Returns why there is no data at all; null: there is data. */
export function loaderFailure(loader: Loading): PlatformError | null {
  return loader.data === null ? loader.error : null;
}

/** Returns the status of a first load or of repeated failures; null when all is well. */
export function loaderStatus(loader: Loading, nowMs = Date.now()): Status | null {
  if (loader.error !== null) {
    const age = loader.loadedMs === null ? '' : `showing what was there ${formatAgo(loader.loadedMs, nowMs)}: `;
    return { text: `${age}${visible(loader.error.message)}`, tone: loader.data === null ? 'error' : 'warning' };
  }
  if (loader.data === null && loader.sinceMs !== null) {
    const seconds = Math.floor((nowMs - loader.sinceMs) / 1000);
    return { text: seconds === 0 ? 'loading …' : `loading … ${seconds} s` };
  }
  return null;
}
