/** Makes and hashes secrets: Tokens, invites, the first account's code. */
import { createHash } from 'node:crypto';

export type RandomBytes = (size: number) => Uint8Array;

/** Returns a new Token of 256 random bits. The prefix lets people and secret scanners recognise one. */
export function newToken(randomBytes: RandomBytes): string {
  return `tr_${Buffer.from(randomBytes(32)).toString('base64url')}`;
}

/** Makes an invite: `ti_`, then 128 random bits in base64url. */
export function newInvite(randomBytes: RandomBytes): string {
  return `ti_${Buffer.from(randomBytes(16)).toString('base64url')}`;
}

/**
 * Returns a code of 80 random bits in groups, in Crockford's alphabet (without i, l, o, u), since a person types it.
 */
export function newFirstCode(randomBytes: RandomBytes): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  const letters = [...randomBytes(16)].map((byte) => alphabet[byte & 31]).join('');
  return letters.match(/.{4}/g)!.join('-'); // more than four letters
}

/** Makes an id: `kind`, then 80 random bits in hex. */
export function newId(kind: string, randomBytes: RandomBytes): string {
  return `${kind}${Buffer.from(randomBytes(10)).toString('hex')}`;
}

/**
 * Returns the SHA-256 of a secret, hex. That is enough for secrets that are random themselves; passwords need argon2id.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Returns whether `text` has the form of a Token. Other text needs no query of the database. */
export function looksLikeToken(text: string): boolean {
  return /^tr_[A-Za-z0-9_-]{43}$/.test(text);
}
