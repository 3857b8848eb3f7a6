/** Parsers of command line values. commander prints what an InvalidArgumentError says. */
import { InvalidArgumentError } from 'commander';
import { logLevels } from '../../src/protocol/nouns.ts';

export function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** error, warning, info or a number; CommonWA counts from severe (small) to chatty. */
export function parseLevel(text: string): number {
  const names: Readonly<Record<string, number>> = { ...logLevels, warn: logLevels.warning };
  const named = names[text.toLowerCase()];
  if (named !== undefined) return named;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be error, warning, info or a number.');
}

/** v3 or 3 */
export function parseVersion(text: string): number {
  const match = /^v?([1-9]\d{0,8})$/i.exec(text);
  if (match !== null) return Number(match[1]);
  throw new InvalidArgumentError('It must be a version such as v3.');
}
