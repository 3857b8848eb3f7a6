/**
 * The units of deploy/systemd under systemd itself, as the first process of a container: the package at its place, the
 * commands of docs/install.md, a push, a restart without a lost call, credentials, confinement, watchdog, backup.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printing } from '../support/e2e-guests.ts';
import { blocksOf } from '../support/page-blocks.ts';
import { boot, installedMachine, withoutSystemd } from '../support/systemd-machine.ts';

if (withoutSystemd !== null) console.log(`skipped: ${withoutSystemd}`);

describe.skipIf(withoutSystemd !== null)('the units under systemd', () => {
  let top: string;
  let shown: string;
  const result = (name: string): string => readFileSync(join(top, 'results', name), 'utf8').trim();

  beforeAll(async () => {
    const machine = await installedMachine('systemd');
    top = machine.top;
    const { program } = machine;
    const units = join(top, 'etc/systemd/system');
    for (const name of ['trisiel.service', 'trisiel-backup.service', 'trisiel-backup.timer'])
      await cp(join(program, 'deploy/systemd', name), join(units, name));
    // As docs/install.md says: with a secret's file, take the # away.
    const unit = await readFile(join(units, 'trisiel.service'), 'utf8');
    await writeFile(join(units, 'trisiel.service'), unit.replace(/^#(?=.*metrics-token)/gm, ''));
    await mkdir(join(top, 'etc/trisiel/credentials'), { recursive: true });
    await writeFile(join(top, 'etc/trisiel/credentials/metrics-token'), 'scrape-me-0123456789', { mode: 0o600 });
    await writeFile(join(top, 'etc/trisiel/trisiel.toml'), 'TRISIEL_RUNNERS = 1\n');
    await writeFile(join(top, 'root/function.wasm'), printing('hello from a unit\n'));
    await cp(join(import.meta.dirname, 'systemd-play.sh'), join(top, 'play.sh'));
    for (const { page, text } of blocksOf('service'))
      await writeFile(join(top, `${basename(page, '.md')}.sh`), text, { flag: 'wx' });
    shown = await boot(top, '/play.sh');
  }, 900_000);
  afterAll(() => rm(top, { recursive: true, force: true }));

  test('all commands succeed, on a machine that they have to themselves', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) {
      // Where the kernel lets nobody have namespaces or groups of processes of their own.
      expect(shown).toMatch(/not permitted|permission denied|not implemented|not supported/i);
      console.log(`skipped: systemd does not start in a container here: ${shown.trim().split('\n').at(-1)}`);
      skip();
    }
    expect(result('status'), `${result('log')}\n${result('journal').slice(-4000)}`).toBe('0');
  });

  test('the program has no rights, a user of its own, and one folder that it may write to', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) skip();
    const confinement = Object.fromEntries(
      result('confinement')
        .split('\n')
        .map((line) => line.split(/:\s*/)),
    );
    expect(confinement).toMatchObject({
      ...{ CapEff: '0000000000000000', CapBnd: '0000000000000000', NoNewPrivs: '1', Seccomp: '2' },
      Uid: expect.not.stringMatching(/\b0\b/),
    });
    expect(existsSync(join(top, 'results/writable'))).toBe(false);
    expect(result('state-mode')).toBe('700');
  });

  test('a restart loses no call, and a main process that is killed or hangs is started again', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) skip();
    expect(result('answer')).toBe('hello from a unit');
    const calls = result('calls').split('\n');
    expect(calls.filter((line) => line === 'lost')).toEqual([]);
    expect(calls.length).toBeGreaterThan(1);
    expect(result('watchdog')).toContain('Watchdog timeout');
    expect(result('stopped')).toBe('success');
  });

  test('the backup unit writes a whole archive as the same user', ({ skip }) => {
    if (!existsSync(join(top, 'results/booted'))) skip();
    expect(result('backups')).toMatch(/^trisiel-\w+\.tar$/);
  });

  test('commands that root types beside the service are about its platform, and leave its files to its user', ({
    skip,
  }) => {
    if (!existsSync(join(top, 'results/booted'))) skip();
    expect(result('looked')).toMatch(/^\{"ready":true.*\}all is well$/s);
    expect(result('repaired')).toBe('all is well');
    expect(result('of-root')).toBe('');
    expect(result('restored')).toBe('hello from a unit');
  });
});
