/**
 * Checks and generates handler names: DNS labels (RFC 1035 as relaxed by RFC 1123, lower case), globally unique,
 * generated in Olin's tarot style rank-of-suit-number. Randomness is passed in.
 */
import { PlatformError } from './errors.ts';
import { nameLimits } from './limits.ts';

declare const brand: unique symbol;

/**
 * Name of a handler, for example `swift-otter`. It addresses the handler; after a purge another user may take it.
 * Branded, so that the compiler notices a name passed for an id, or an id for a name: both come branded from the
 * database and from other processes, and every parameter says which one it takes. A plain text can stand for either.
 * `checkHandlerName` makes one from a user's text; `handlerNameOf` brands one that was checked before.
 */
export type HandlerName = string & { readonly [brand]?: 'HandlerName' };

/** Opaque id of a handler, never given twice; log lines and usage are filed under it. `handlerIdOf` makes one. */
export type HandlerId = string & { readonly [brand]?: 'HandlerId' };

/**
 * Brands a name that was checked when its handler was created; for names from the database or from another process of
 * the platform.
 */
export function handlerNameOf(checked: string): HandlerName {
  return checked as HandlerName;
}

/** Brands an id that comes from the database or from another process of the platform. */
export function handlerIdOf(id: string): HandlerId {
  return id as HandlerId;
}

/** Names that would collide with a host, a path or a word of the platform. */
const reserved = new Set([
  'www',
  'api',
  'git',
  'docs',
  'admin',
  'localhost',
  'healthz',
  'readyz',
  'metrics',
  'trisiel',
  'wasmcloud',
]);

const pattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/** Returns whether `name` can name a handler. `--` is kept for branch previews (BRANCH--NAME). */
export function isHandlerName(name: string): name is HandlerName {
  return name.length <= nameLimits.handlerChars && pattern.test(name) && !name.includes('--') && !reserved.has(name);
}

/** Throws `name_invalid`, saying what is wrong and what would be right. */
export function checkHandlerName(name: string): HandlerName {
  if (isHandlerName(name)) return name;
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
  if (reserved.has(name))
    throw new PlatformError('name_invalid', `the name ${shown} is reserved`, {
      hints: ['choose another name, or let wasmcloud namegen propose one'],
    });
  throw new PlatformError('name_invalid', `${shown} cannot name a handler`, {
    hints: [
      `a name has 1 to ${nameLimits.handlerChars} of a-z, 0-9 and single hyphens inside, for example swift-otter`,
    ],
  });
}

const ranks = [
  'ace',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'page',
  'knight',
  'queen',
  'king',
];
const suits = ['wands', 'cups', 'swords', 'pentacles'];

/** Draws a name like `knight-of-cups-4821`. `random(n)` gives an integer in [0, n). */
export function generateName(random: (n: number) => number): HandlerName {
  return handlerNameOf(`${ranks[random(ranks.length)]}-of-${suits[random(suits.length)]}-${1000 + random(9000)}`);
}

/** Pattern of queue names and kv bucket names: 1 to 64 letters, digits, dots, underscores and hyphens. */
export const storeNamePattern = /^[A-Za-z0-9._-]{1,64}$/;
