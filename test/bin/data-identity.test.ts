/** What a data folder says of itself: read back as it was written, or refused as damaged. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataIdentity, knownIdentity, writeIdentity } from '../../src/bin/data-identity.ts';

describe('the identity of a data folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trisiel-identity-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is known as it was written', async () => {
    const identity = { controlId: 'c', platformId: 'p', database: 'sqlite' } as const;
    expect(knownIdentity(folder)).toBeNull();
    await writeIdentity(folder, identity);
    expect(knownIdentity(folder)).toEqual(identity);
  });

  it.each([
    '',
    '{',
    'null',
    '3',
    '{}',
    '{"controlId":"c","platformId":"p"}',
    '{"controlId":"c","platformId":"p","database":"mysql"}',
    '{"controlId":3,"platformId":"p","database":"sqlite"}',
    '{"controlId":"c","platformId":null,"database":"sqlite"}',
  ])('is damaged: %s', async (text) => {
    await writeFile(join(folder, 'control.json'), text);
    expect(() => DataIdentity.read(folder, null)).toThrow(/control\.json is damaged$/);
    expect(knownIdentity(folder)).toBeNull();
  });
});
