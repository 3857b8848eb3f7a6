/**
 * Opens `log:` and `log://?prefix=P`: each written line becomes a LogLine of level info. A read returns 0 bytes, as a
 * success.
 */
import { KIB } from '../../../protocol/limits.ts';
import { logLevels } from '../../../protocol/nouns.ts';
import { Errno } from '../errno.ts';
import type { Scheme } from '../process.ts';
import type { Resource } from '../resource.ts';
import { LineLogger } from './line-logger.ts';

/** Most characters of a prefix, which every line repeats. */
const prefixCharsMax = 128;

/** Most bytes of one write: a text of newlines has as many lines. */
const writeBytesMax = 16 * KIB;

export const logScheme: Scheme = {
  names: ['log'],
  open: (url, guest) => {
    const prefix = prefixOf(url);
    if (prefix.length > prefixCharsMax) return Errno.invalid;
    const head = prefix === '' ? '' : `${prefix}: `;
    return lineResource((line) => guest.log(logLevels.info, 'log', `${head}${line}`));
  },
};

function lineResource(log: (line: string) => void): Resource {
  const logger = new LineLogger(log);
  return {
    scheme: 'log',
    read: () => 0,
    write: (bytes) => {
      const part = bytes.subarray(0, writeBytesMax);
      logger.write(part);
      return part.length;
    },
    flush: () => 0,
    close: () => {
      logger.finish();
      return 0;
    },
  };
}

/** Returns the `prefix` of the query; '' without one. */
function prefixOf(url: string): string {
  const query = /\?([^#]*)/.exec(url)?.[1] ?? '';
  return new URLSearchParams(query).get('prefix') ?? '';
}
