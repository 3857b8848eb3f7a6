/** Time-based one-time passwords (RFC 6238) with HMAC-SHA-1, 6 digits and steps of 30 s, which all apps support. */
import { createHmac } from 'node:crypto';
import { sameSecret } from '../../protocol/same-secret.ts';

export const totpLimits = {
  /** Bytes of a secret: the output size of SHA-1 (RFC 4226, section 4, R6). */
  secretBytes: 20,
  digits: 6,
  stepMs: 30_000,
  /**
   * Number of steps before and after the current one whose codes are accepted: clocks differ, and typing takes time.
   */
  drift: 1,
} as const;

/** Returns the number of the time step at `ms` (Unix milliseconds). */
export function stepAt(ms: number): number {
  return Math.floor(ms / totpLimits.stepMs);
}

/** Returns the code of a time step: 6 digits (RFC 4226, section 5.3). */
export function codeOf(secret: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = mac.readUInt8(mac.length - 1) & 0x0f;
  const number = (mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** totpLimits.digits;
  return String(number).padStart(totpLimits.digits, '0');
}

/**
 * Returns the step that `code` belongs to, at most `drift` steps from `ms` and after `afterStep`; null for a wrong
 * code. Compares every candidate, so that the time taken reveals nothing.
 */
export function stepOfCode(
  secret: Uint8Array,
  code: string,
  options: { readonly ms: number; readonly afterStep: number },
): number | null {
  const now = stepAt(options.ms);
  let found: number | null = null;
  for (let step = now - totpLimits.drift; step <= now + totpLimits.drift; step += 1) {
    if (sameSecret(code, codeOf(secret, step)) && step > options.afterStep) found = step;
  }
  return found;
}

/** Returns bytes in base32 without padding (RFC 4648, section 6), for people to type into an app. */
export function base32(bytes: Uint8Array): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let bits = 0;
  let value = 0;
  let text = '';
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += alphabet[(value >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + alphabet[(value << (5 - bits)) & 31];
}

/** Returns the URI that authenticator apps read from a QR code (Google Authenticator's key URI format). */
export function keyUri(options: { readonly secret: string; readonly user: string; readonly issuer: string }): string {
  const label = `${encodeURIComponent(options.issuer)}:${encodeURIComponent(options.user)}`;
  return `otpauth://totp/${label}?secret=${options.secret}&issuer=${encodeURIComponent(options.issuer)}`;
}
