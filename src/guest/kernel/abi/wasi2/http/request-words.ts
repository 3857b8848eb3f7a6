/** Translates methods and schemes of wasi:http: common ones are cases, all others text. */
import { option, variant } from '../../../../component/wit.ts';

export interface Word {
  readonly tag: string;
  /** Text of the case `other`. */
  readonly value?: string;
}

const methods = ['get', 'head', 'post', 'put', 'delete', 'connect', 'options', 'trace', 'patch'] as const;

export const methodType = variant({
  ...Object.fromEntries(methods.map((method) => [method, null])),
  other: 'string',
});
export const schemeType = variant({ HTTP: null, HTTPS: null, other: 'string' });
export const optionalSchemeType = option(schemeType);

const methodCases: ReadonlyMap<string, Word> = new Map(methods.map((tag) => [tag.toUpperCase(), { tag }]));

/** Returns the case for a method of a request line. Methods are case-sensitive (RFC 9110 9.1). */
export function toMethod(method: string): Word {
  return methodCases.get(method) ?? { tag: 'other', value: method };
}

/** Returns the method as a request line has it; null if it is no token (RFC 9110 9.1). */
export function fromMethod({ tag, value }: Word): string | null {
  if (tag !== 'other') return tag.toUpperCase();
  return value !== undefined && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(value) ? value : null;
}

export function toScheme(scheme: string): Word {
  const upper = scheme.toUpperCase();
  return upper === 'HTTP' || upper === 'HTTPS' ? { tag: upper } : { tag: 'other', value: scheme };
}

/** Returns the scheme, http and https in lower case; null for an invalid scheme (RFC 3986 3.1). */
export function fromScheme({ tag, value }: Word): string | null {
  if (tag !== 'other') return tag.toLowerCase();
  if (value === undefined || !/^[a-z][a-z0-9+.-]{0,63}$/i.test(value)) return null;
  return /^https?$/i.test(value) ? value.toLowerCase() : value;
}
