/** When a node says that its answers may be old, and when it ends because nobody could tell it anything any more. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Contact } from '../../src/node/contact.ts';
import { nodeLimits } from '../../src/node/limits.ts';
import { ReleaseCache } from '../../src/node/release-cache.ts';

let folder: string;
let cache: ReleaseCache;
let isConnected: boolean;
let told: string[];
let contact: Contact;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  folder = await mkdtemp(join(tmpdir(), 'trisiel-contact-'));
  cache = new ReleaseCache(join(folder, 'released.db'));
  isConnected = true;
  told = [];
  contact = new Contact({
    cache,
    isConnected: () => isConnected,
    urls: () => ['http://control'],
    onStale: (isStale) => told.push(isStale ? 'stale' : 'current'),
    onCutOff: () => told.push('cut off'),
    report: () => {},
  });
});
afterEach(async () => {
  vi.useRealTimers();
  cache.close();
  await rm(folder, { recursive: true });
});

/** Lets time pass, while the node watches and asks the controls, which do not answer. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += nodeLimits.retryMs) {
    contact.unanswered();
    vi.advanceTimersByTime(nodeLimits.retryMs);
    contact.watch();
  }
}

test('answers are stale 3 s after no control could tell what is released, until one can', () => {
  expect(nodeLimits.staleMs).toBe(3_000);
  pass(3_000);
  expect(told).toEqual([]);
  pass(nodeLimits.retryMs);
  expect(told).toEqual(['stale']);
  expect(contact.isStale).toBe(true);
  contact.answered();
  expect(told).toEqual(['stale', 'current']);
});

test('a node that hears neither NATS nor a control ends after an hour; one that hears NATS does not', () => {
  const hourMs = 60 * 60_000;
  expect(nodeLimits.cutOffMs).toBe(hourMs);
  pass(2 * hourMs);
  expect(told).toEqual(['stale']);
  isConnected = false;
  pass(hourMs);
  expect(told).toEqual(['stale']);
  pass(nodeLimits.retryMs);
  expect(told).toEqual(['stale', 'cut off']);
});

test('a control that answers once in the hour is enough', () => {
  isConnected = false;
  for (let n = 0; n < 3; n += 1) {
    pass(59 * 60_000);
    contact.answered();
  }
  expect(told).not.toContain('cut off');
});

test('a clock of the machine that jumps ends nothing', () => {
  isConnected = false;
  contact.watch();
  vi.setSystemTime(Date.now() + 24 * 60 * 60_000);
  contact.watch();
  expect(told).toEqual([]);
});
