/** Reads what a runner writes to its standard error, which a guest that has broken out of it may have written. */
import type { Readable } from 'node:stream';
import { LogRate } from '../../waiting/log-rate.ts';

export interface StderrOptions {
  /** Characters of a line; the rest is cut. */
  readonly charsMax: number;
  /** Lines within `windowMs` milliseconds; further ones are left out, and counted in a line of their own. */
  readonly linesMax: number;
  readonly windowMs: number;
  readonly onLine: (line: string) => void;
  /** Monotonic clock in milliseconds. */
  readonly nowMs?: () => number;
}

/**
 * Calls `onLine` for each line until the stream ends. Keeps one line at most, however much comes without an end of a
 * line.
 */
export function readStderr(stream: Readable, options: StderrOptions): void {
  const { charsMax, linesMax, windowMs, onLine, nowMs = () => performance.now() } = options;
  const rate = new LogRate({ most: linesMax, windowMs, nowMs });
  let begun = '';
  const tell = (count: number): void => {
    if (count > 0) onLine(`${count} lines were left out here: too many at once`);
  };
  const write = (line: string): void => {
    const leftOut = rate.take();
    if (leftOut === null) return;
    tell(leftOut);
    onLine(line.slice(0, charsMax));
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = chunk.split(/\r?\n/);
    const last = lines.pop() ?? '';
    for (const line of lines) {
      write(begun + line);
      begun = '';
    }
    if (begun.length < charsMax) begun += last.slice(0, charsMax - begun.length);
  });
  stream.on('error', () => {});
  stream.once('end', () => {
    if (begun !== '') write(begun);
    tell(rate.leftOut());
  });
}
