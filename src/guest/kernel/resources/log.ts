/**
 * Opens `log:` and `log://?prefix=P&level=L`: each written line becomes a LogLine of level info, or L (a level's name
 * or number). A read returns 0 bytes, as a success.
 */
import { KIB } from '../../../protocol/limits.ts';
import { levelByName, logLevels } from '../../../protocol/nouns.ts';
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
    const query = new URLSearchParams(/\?([^#]*)/.exec(url)?.[1] ?? '');
    const prefix = query.get('prefix') ?? '';
    const level = levelOf(query.get('level'));
    if (prefix.length > prefixCharsMax || level === null) return Errno.invalid;
    const head = prefix === '' ? '' : `${prefix}: `;
    return lineResource((line) => guest.log(level, 'log', `${head}${line}`));
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

/** Returns the number of the level in a query: a name, or a number from 0 to 15; null for any other text. */
function levelOf(text: string | null): number | null {
  if (text === null) return logLevels.info;
  return levelByName(text) ?? (/^(?:\d|1[0-5])$/.test(text) ? Number(text) : null);
}
