/** Lists of NUL-terminated texts in one array of bytes, which is how guests want their arguments and environment. */
import { type GuestText, octetsOf, utf8 } from './memory.ts';

export interface TextList {
  /** The texts, one after the other, each with a NUL at its end. */
  readonly bytes: Uint8Array;
  /** Number of bytes of each text, its NUL included. */
  readonly lengths: readonly number[];
}

/** Encodes strings as UTF-8, with U+FFFD for a lone surrogate, and octets as they are. */
export function encodeTexts(texts: readonly GuestText[]): TextList {
  const strings = texts.filter((text) => typeof text === 'string');
  if (strings.length === texts.length) return encodeStrings(strings);
  const octets = texts.map(octetsOf);
  const nul = new Uint8Array(1);
  return {
    bytes: Buffer.concat(octets.flatMap((part) => [part, nul])),
    lengths: octets.map((part) => part.length + 1),
  };
}

/** Encodes all strings together: an array for each costs more than the rest of a call of a small program. */
function encodeStrings(strings: readonly string[]): TextList {
  const text = strings.length === 0 ? '' : `${strings.join('\0')}\0`;
  const bytes = utf8(text);
  const isAscii = bytes.length === text.length;
  return { bytes, lengths: strings.map((string) => (isAscii ? string.length : Buffer.byteLength(string)) + 1) };
}

/** Returns the environment as `KEY=value`. */
export function environmentTexts(env: ReadonlyMap<string, GuestText>): readonly GuestText[] {
  return Array.from(env, ([key, value]) =>
    typeof value === 'string' ? `${key}=${value}` : Buffer.concat([utf8(`${key}=`), value]),
  );
}
