/**
 * How control, its runners and orphaned runners recognise each other on the functions' port, which is open to
 * everybody. Who asks `GET /.trisiel/runner` sends a nonce and a code over it that only a holder of the platform's
 * key can make; the answer carries a code of its own. Others are answered 404, as for any name that does not exist.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export const runnerProbe = {
  path: '/.trisiel/runner',
  /** Field of the request: `NONCE.CODE`. */
  askField: 'trisiel-probe',
  /** Field of the answer: a code over the same nonce. */
  proofField: 'trisiel-proof',
} as const;

/** What a runner tells of itself to those who hold the key. */
export interface RunnerIdentity {
  readonly platformId: string;
  /** Of the control that started it. */
  readonly bootId: string;
  readonly runnerId: string;
  readonly pid: number;
  /** Of that control; runners of an earlier one report there. */
  readonly controlUrl: string;
}

export interface Probe {
  /** Value of the request's field. */
  readonly field: string;
  /** Returns whether `proof`, the answer's field, is of a holder of the key, and for this request. */
  isAnsweredBy(proof: string | null | undefined): boolean;
}

/** Makes a new question to the process that listens on the port. `key`: the platform's, any text. */
export function makeProbe(key: string): Probe {
  const nonce = randomBytes(16).toString('hex');
  return {
    field: `${nonce}.${code(key, 'ask', nonce)}`,
    isAnsweredBy: (proof) => typeof proof === 'string' && isSame(proof, code(key, 'answer', nonce)),
  };
}

/** Returns the proof to answer with; null where `field` is not of a holder of the key. */
export function answerToProbe(key: string, field: string): string | null {
  const [nonce = '', given = ''] = field.split('.');
  return isSame(given, code(key, 'ask', nonce)) ? code(key, 'answer', nonce) : null;
}

function code(key: string, purpose: 'ask' | 'answer', nonce: string): string {
  return createHmac('sha256', key).update(`${purpose} ${nonce}`).digest('hex');
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  // In bytes: what comes from outside may hold letters of two.
  return first.length === second.length && timingSafeEqual(first, second);
}
