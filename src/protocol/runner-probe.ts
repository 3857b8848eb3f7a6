/**
 * Lets control, its runners and orphaned runners recognise each other on the functions' port, which is open to
 * everybody. The asking process sends `GET /.trisiel/runner` with a nonce and a code over it that only a holder of the
 * platform's key can make; the answer carries another code over the nonce. Requests without a valid code are answered
 * 404, like any unknown name.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { sameSecret } from './same-secret.ts';

export const runnerProbe = {
  path: '/.trisiel/runner',
  /** Request field: `NONCE.CODE`. */
  askField: 'trisiel-probe',
  /** Answer field: a code over the same nonce. */
  proofField: 'trisiel-proof',
} as const;

/** What a runner tells about itself to holders of the key. */
export interface RunnerIdentity {
  readonly platformId: string;
  /** Boot id of the control that started the runner. */
  readonly bootId: string;
  readonly runnerId: string;
  readonly pid: number;
  /** Loopback URL of the control that started the runner; runners of an earlier control report there. */
  readonly controlUrl: string;
}

export interface Probe {
  /** Value of the request field. */
  readonly field: string;
  /** Returns whether `proof`, the value of the answer field, was made for this request by a holder of the key. */
  isAnsweredBy(proof: string | null | undefined): boolean;
}

/** Makes a new question to the process that listens on the port. `key`: key of the platform, any text. */
export function makeProbe(key: string): Probe {
  const nonce = randomBytes(16).toString('hex');
  return {
    field: `${nonce}.${code(key, 'ask', nonce)}`,
    isAnsweredBy: (proof) => typeof proof === 'string' && sameSecret(proof, code(key, 'answer', nonce)),
  };
}

/** Returns the value of the answer field; null when `field` was not made by a holder of the key. */
export function answerToProbe(key: string, field: string): string | null {
  const [nonce = '', given = ''] = field.split('.');
  return sameSecret(given, code(key, 'ask', nonce)) ? code(key, 'answer', nonce) : null;
}

function code(key: string, purpose: 'ask' | 'answer', nonce: string): string {
  return createHmac('sha256', key).update(`${purpose} ${nonce}`).digest('hex');
}
