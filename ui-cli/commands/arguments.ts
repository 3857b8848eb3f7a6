/** Parsers of command line values. commander prints what an InvalidArgumentError says. */
import { InvalidArgumentError } from 'commander';
import { levelByName, logLevelNames, logLevels } from '../../src/protocol/nouns.ts';

/**
 * Describes the argument that names a handler; completion knows it by this text. Where it is optional, the
 * repository's remote names the handler (Context.handlerName).
 */
export const handlerArgument = 'handler';

export function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** `error, warning, info or a number`: what --level takes. */
export const levelChoices = `${logLevelNames.join(', ')} or a number`;

/** Returns the number of a level given by name (any case, `warn` too) or number; severe levels have small numbers. */
export function parseLevel(text: string): number {
  const name = text.toLowerCase();
  const named = name === 'warn' ? logLevels.warning : levelByName(name);
  if (named !== undefined) return named;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`It must be ${levelChoices}.`);
}

/** v3 or 3 */
export function parseVersion(text: string): number {
  const match = /^v?([1-9]\d{0,8})$/i.exec(text);
  if (match !== null) return Number(match[1]);
  throw new InvalidArgumentError('It must be a version such as v3.');
}
