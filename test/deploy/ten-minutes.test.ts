/**
 * The ten minutes from a bare machine and a domain to a function that answers over HTTPS: the commands of
 * docs/install.md, typed one after the other in a clean folder (test/support/machine.ts has what stands in for the
 * machine).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackage, exactDependencies } from '../../deploy/package.ts';
import { type Caddy, freePorts, startCaddy, withoutCaddy } from '../support/caddy.ts';
import { type CommandResult, removeTemporaryFolders } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import {
  blockLines,
  endUnit,
  finishedArchives,
  installedVersions,
  linesOf,
  Machine,
  type Unit,
} from '../support/machine.ts';
import { blocksOf } from '../support/page-blocks.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/install.md'), 'utf8');
const consoleHost = 'trisiel.example.com';
const functionHost = 'hello.functions.example.com';

const has = (program: string, ...words: readonly string[]): boolean => spawnSync(program, words).status === 0;
const missing =
  withoutCaddy ??
  ['npm', 'curl'].map((one) => (has(one, '--version') ? null : `${one} is not installed`)).find(Boolean);
if (missing != null) console.log(`skipped: ${missing}`);
const canCompile = has('clang', '--target=wasm32-wasi', '--sysroot=/usr', '-xc', '/dev/null', '-c', '-o', '/dev/null');

describe.skipIf(missing != null)('the page on installing', () => {
  let top: string;
  let machine: Machine;
  let trisiel: Unit;
  let caddy: Caddy;
  let ports: { readonly http: number; readonly https: number; readonly control: number; readonly run: number };
  /** Archives of this version and of a next one. */
  const archives = ['trisiel-0.1.0.tgz', 'trisiel-0.1.1.tgz'] as const;

  beforeAll(async () => {
    const [http = 0, https = 0, control = 0, run = 0] = await freePorts(4);
    ports = { http, https, control, run };
    // On the same disk as the dependencies, parts of which are linked.
    await mkdir(join(root, 'dist'), { recursive: true });
    top = await mkdtemp(join(root, 'dist/machine-'));
    machine = await Machine.make(join(top, 'machine'));
    for (const [index, archive] of archives.entries()) {
      const version = /\d+\.\d+\.\d+/.exec(archive)?.[0] ?? '';
      const folder = join(top, version);
      if (index === 0) await buildPackage(folder);
      else await cp(join(top, '0.1.0'), folder, { recursive: true });
      for (const file of ['package.json', 'src/protocol/program-version.js'])
        await writeFile(
          join(folder, file),
          (await readFile(join(folder, file), 'utf8')).replace(/\b0\.1\.0\b/, version),
        );
      execFileSync('npm', ['pack', '--silent', folder], { cwd: machine.cwd });
    }
  });

  afterAll(async () => {
    await caddy?.stop();
    // SIGINT: its runners end too.
    if (trisiel !== undefined) await endUnit(trisiel, 'SIGINT');
    await rm(top, { recursive: true, force: true });
    await removeTemporaryFolders();
  });

  /** Types a command that must succeed. */
  async function typed(command: string, input?: string): Promise<string> {
    const { status, stdout, stderr }: CommandResult = await machine.type(command, input);
    expect(status, `${command}\n${stdout}${stderr}`).toBe(0);
    return stdout + stderr;
  }

  /** Starts the service, and starts it again where it ends before it serves, as its unit has it: Restart=always. */
  async function start(attempts = 5): Promise<void> {
    trisiel = await machine.start('trisiel.service');
    const failed = await trisiel.line(/^ready control=/).then(
      () => null,
      (error: unknown) => error,
    );
    if (failed === null) return;
    if (attempts === 1) throw failed;
    await typed("grep --quiet '^Restart=always' /etc/systemd/system/trisiel.service");
    await start(attempts - 1);
  }

  const withPort = (text: string): string => text.replaceAll(/(https:\/\/[\w.]+\.example\.com)/g, `$1:${ports.https}`);
  const called = (): Promise<string> => typed(withPort(`curl --fail https://${functionHost}/`));
  const installed = new Set<string>();

  test('has no command below another heading than those that are played here', () => {
    const played = ['The package', 'systemd', 'Caddy', 'First account, first function', 'A new version'];
    expect(blocksOf('installing').flatMap(({ text }) => linesOf(text))).toEqual(
      played.flatMap((heading) => blockLines(page, heading)),
    );
  });

  async function install(command: string, archive: string): Promise<void> {
    installed.add(await machine.install(command, join(machine.folder, 'root', archive)));
  }

  test('installs the package', async () => {
    const [packages = '', npm = '', link = '', ...rest] = blockLines(page, 'The package');
    expect(packages).toMatch(/^apt-get install /);
    for (const name of ['git', 'npm', 'caddy']) expect(packages.split(' ')).toContain(name);
    expect(npm).toContain(archives[0]);
    const unreachable = await machine.installFromRegistry(npm);
    if (unreachable !== null) {
      console.log(`skipped: npm's own install, the registry is not reached: ${unreachable.split('\n')[0]}`);
      await install(npm, archives[0]);
    } else {
      installed.add('the registry');
      expect(await installedVersions(machine)).toEqual(
        exactDependencies(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))),
      );
    }
    await typed(link);
    expect(rest).toEqual([]);
    expect(await typed('trisiel --help')).toContain('Usage: trisiel serve');
    expect(await typed('wasmcloud --version')).toContain('0.1.0');
  }, 1_200_000);

  test('takes its settings', async () => {
    const file = join(machine.folder, 'etc/trisiel/trisiel.toml');
    await writeFile(file, `${withPort(blockLines(page, 'Settings').join('\n'))}\n`);
    const [, check = ''] = /`(trisiel config check \S+)`/.exec(page) ?? [];
    expect(await typed(check)).toContain('all well: 4 settings');
    // Ports of the test, beside what the page says.
    appendFileSync(file, `TRISIEL_PORT = ${ports.control}\nTRISIEL_RUN_PORT = ${ports.run}\nTRISIEL_RUNNERS = 1\n`);
  });

  test('starts the service, whose log has the code of the first account', async () => {
    const lines = blockLines(page, 'systemd').filter((line) => !line.startsWith('systemctl daemon-reload'));
    const [cd = '', copy = '', enable = '', journal = ''] = lines;
    await typed(cd);
    await typed(copy);
    expect(enable).toBe('systemctl enable --now trisiel.service trisiel-backup.timer');
    await start();
    expect(journal).toBe('journalctl --unit trisiel');
    expect(trisiel.journal.join('\n')).toContain('there is no account yet');
    // As the page has it below: npx would look for another package.
    expect(trisiel.journal.join('\n')).toContain('"command":"wasmcloud signup --invite');
  });

  test('has Caddy in front, which gets certificates', async () => {
    const [copy = '', edit = '', restart = ''] = blockLines(page, 'Caddy');
    await typed(copy);
    expect([edit, restart]).toEqual(['systemctl edit caddy', 'systemctl restart caddy']);
    expect(page).toContain(`Environment=TRISIEL_CONSOLE=${consoleHost}`);
    caddy = await startCaddy({
      ...{ httpPort: ports.http, httpsPort: ports.https, console: consoleHost },
      controlUrl: `http://127.0.0.1:${ports.control}`,
      runUrl: `http://127.0.0.1:${ports.run}`,
      caddyfile: join(machine.folder, 'etc/caddy/Caddyfile'),
    });
    await machine.trust(caddy.caFile, [consoleHost, functionHost], ports.https);
  });

  test('makes the first account, and a push that answers over HTTPS', async () => {
    machine.cwd = join(machine.folder, 'root');
    const [, code = ''] = await trisiel.line(/"code":"([^"]+)"/);
    for (const line of blockLines(page, 'First account, first function')) {
      const command = withPort(line.replace('CODE', code));
      if (command.startsWith('wasmcloud signup')) await typed(`${command} --password-stdin`, 'correct horse battery');
      else if (command === './build.sh' && !canCompile) {
        console.log('skipped: clang cannot compile for WASI; the repository has a module that is built already');
        await writeFile(join(machine.cwd, 'function.wasm'), printing('Hello\n'));
      } else await typed(command);
    }
    expect(page).toContain(`\`https://${functionHost}/\` answers`);
    expect(await called()).toMatch(/hello/i);
  });

  test('shows the log while it is written', async () => {
    const [, follow = ''] = /`(wasmcloud logs hello --follow)`/.exec(page) ?? [];
    const child = machine.follow(follow);
    const line = once(createInterface({ input: child.stdout! }), 'line');
    await called();
    expect(String(await line)).not.toBe('');
    child.kill('SIGINT');
    await once(child, 'exit');
  });

  test('writes a backup by the command of its timer, which restores', async () => {
    await typed(`grep --quiet '^OnCalendar=' /etc/systemd/system/trisiel-backup.timer`);
    const backup = await machine.start('trisiel-backup.service');
    const [status] = await once(backup.child, 'close');
    expect(status, backup.journal.join('\n')).toBe(0);
    const folder = join(machine.folder, 'var/lib/trisiel/backups');
    const [archive = ''] = finishedArchives(folder);
    await typed(`TRISIEL_DATA=${top}/restored trisiel restore ${folder}/${archive}`);
    await typed(`TRISIEL_DATA=${top}/restored trisiel doctor`);
  });

  test('goes to a new version and back without losing a call, and a function goes back too', async () => {
    const [npm = '', restart = ''] = blockLines(page, 'A new version');
    expect(restart).toBe('systemctl restart trisiel');
    expect(npm).toContain(archives[1]);
    const version = async (): Promise<string> => typed(withPort(`curl --fail https://${consoleHost}/status`));
    machine.cwd = join(machine.folder, 'root');
    for (const [command, archive, expected] of [
      [npm, archives[1], '0.1.1'],
      [npm.replace(archives[1], archives[0]), archives[0], '0.1.0'],
    ] as const) {
      await install(command, archive);
      expect(await endUnit(trisiel, 'SIGTERM')).toBe(0);
      // No control at this moment: the runners serve on.
      expect(await called()).toMatch(/hello/i);
      await start();
      expect(await called()).toMatch(/hello/i);
      expect(await version()).toContain(`"version":"${expected}"`);
    }
    machine.cwd = join(machine.folder, 'root/hello');
    await typed('echo \'SECOND = "1"\' >> wasmcloud.toml');
    await typed("git commit --all --message 'Second version' && git push wasmcloud main");
    expect(await typed('wasmcloud rollback hello v1 --yes')).toContain('v1');
    expect(await called()).toMatch(/hello/i);
    console.log(`the packages came by ${[...installed].join(' and ')}`);
  });
});
