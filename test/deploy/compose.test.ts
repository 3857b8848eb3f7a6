/** The compose file as docker-compose reads it, which needs no daemon for that. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';

const file = join(import.meta.dirname, '../../deploy/container/compose.yaml');
const text = readFileSync(file, 'utf8');
const variables = { TRISIEL_CONSOLE: 'trisiel.example.com', TRISIEL_DOMAIN: 'functions.example.com' };

function compose(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawnSync('docker-compose', words, { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } });
}
const isThere = /^v?[2-9]\d*\./.test(compose(['version', '--short']).stdout ?? '');
if (!isThere) console.log('skipped: docker-compose 2 is not installed (.ci/run gets it out of a package of Debian)');

describe.skipIf(!isThere)('the compose file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(removeTemporaryFolders);

  test('is taken, with the variables that its head names and not without', () => {
    const words = ['--file', file, 'config', '--format', 'json'];
    const read = compose(words, { ...variables, TRISIEL_ASK_TOKEN: 'ask-me-0123456789' });
    expect(read.status, read.stderr).toBe(0);
    const { services } = JSON.parse(read.stdout);
    expect(services.trisiel.environment).toMatchObject({
      TRISIEL_URL: 'https://trisiel.example.com',
      TRISIEL_RUN_URL: 'https://functions.example.com',
      TRISIEL_ASK_TOKEN: 'ask-me-0123456789',
    });
    expect(services.caddy.environment.TRISIEL_ASK).toBe('http://trisiel:3002/tls/ask?token=ask-me-0123456789');
    const published = services.caddy.ports.map(({ target, protocol }: Record<string, unknown>) => [target, protocol]);
    expect(published).toEqual([...[80, 443].map((port) => [port, 'tcp']), [443, 'udp']]);
    expect(services.trisiel.ports).toBeUndefined();
    const missing = compose(words, variables);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining('TRISIEL_ASK_TOKEN is missing')]);
    for (const name of [...Object.keys(variables), 'TRISIEL_ASK_TOKEN'])
      expect(text).toMatch(new RegExp(`^#   ${name}=`, 'm'));
  });

  test.each([
    ['restart:', 'restrat:', /additional properties 'restrat' not allowed/],
    ['cap_drop: [ALL]', 'cap_drop: ALL', /cap_drop/],
    ['networks: [front]', 'networks: [fornt]', /fornt/],
    ['depends_on: [trisiel]', 'depends_on: [trisel]', /trisel/],
  ])('with %j turned into %j would not be', async (right, wrong, problem) => {
    expect(text).toContain(right);
    const changed = join(folder, 'compose.yaml');
    await writeFile(changed, text.replace(right, wrong));
    const { status, stderr } = compose(['--file', changed, 'config', '--quiet'], {
      ...variables,
      TRISIEL_ASK_TOKEN: 'x',
    });
    expect([status !== 0, stderr]).toEqual([true, expect.stringMatching(problem)]);
  });
});
