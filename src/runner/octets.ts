/** Converts octets of a request for guests. node:http gives them as latin1 text: one character per octet. */
import { isUtf8 } from 'node:buffer';
import type { GuestText } from '../guest/kernel/memory.ts';

const beyondAscii = /[\x80-\xff]/;

/** Returns text if the octets are valid UTF-8, else the octets themselves. `latin1`: one character per octet. */
export function guestText(latin1: string): GuestText {
  return beyondAscii.test(latin1) ? textOf(Buffer.from(latin1, 'latin1')) : latin1;
}

/**
 * Decodes each %XX to its octet (RFC 3986 section 2.1). A percent sign without two hexadecimal digits stays. `latin1`:
 * one character per octet.
 */
export function percentDecoded(latin1: string): GuestText {
  if (!latin1.includes('%')) return guestText(latin1);
  const decoded = latin1.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return guestText(decoded);
}

function textOf(octets: Buffer): GuestText {
  return isUtf8(octets) ? octets.toString('utf8') : new Uint8Array(octets);
}
