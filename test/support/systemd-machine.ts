/**
 * A machine of its own in a folder, whose first process is systemd: a container with this machine's /usr, without a
 * network.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildPackage } from '../../deploy/package.ts';
import { linkDependencies } from './machine.ts';

/** Reason for which there cannot be one; null where there can. */
export const withoutSystemd: string | null = (() => {
  if (process.getuid?.() !== 0) return 'systemd-nspawn needs root';
  return spawnSync('systemd-nspawn', ['--version']).status === 0
    ? null
    : 'systemd-nspawn is not installed (apt-get install systemd-container)';
})();

const root = join(import.meta.dirname, '../..');

/**
 * Makes such a machine in the new folder `top` with the package installed at /opt/trisiel: `program` is its folder.
 * `name` begins the folder's name.
 */
export async function installedMachine(name: string): Promise<{ readonly top: string; readonly program: string }> {
  // On the same disk as the dependencies, which are linked.
  await mkdir(join(root, 'dist'), { recursive: true });
  const top = await mkdtemp(join(root, `dist/${name}-`));
  await makeSystem(top);
  const program = join(top, 'opt/trisiel/lib/node_modules/trisiel');
  await buildPackage(program);
  await linkDependencies(program);
  await mkdir(join(top, 'opt/trisiel/bin'));
  for (const command of ['trisiel', 'wasmcloud'])
    await symlink(`../lib/node_modules/trisiel/bin/${command}.js`, join(top, 'opt/trisiel/bin', command));
  return { top, program };
}

/** Makes the folders and the few files of /etc that systemd starts with. */
async function makeSystem(folder: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(folder, name));
  for (const name of [
    'usr',
    'root',
    'var',
    'tmp',
    'run',
    'proc',
    'sys',
    'dev',
    'home',
    'results',
    'etc/systemd/system',
  ])
    await mkdir(join(folder, name), { recursive: true });
  const files = {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n',
    'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    'etc/nsswitch.conf': 'passwd: files systemd\ngroup: files systemd\nhosts: files dns\n',
    'etc/hosts': '127.0.0.1 localhost\n',
    'etc/machine-id': '',
    'etc/os-release': 'ID=trisiel-test\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await chmod(folder, 0o755);
  await chmod(join(folder, 'tmp'), 0o1777);
}

/**
 * Boots the machine to run `script` of its folder as a service, and resolves when it has been turned off, with what its
 * console showed.
 */
export async function boot(folder: string, script: string): Promise<string> {
  const unit = `[Unit]\nWants=basic.target\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash ${script}\n`;
  await mkdir(dirname(join(folder, 'etc/systemd/system/play.service')), { recursive: true });
  await writeFile(join(folder, 'etc/systemd/system/play.service'), `${unit}TimeoutStartSec=infinity\n`);
  const child = spawn(
    'systemd-nspawn',
    [
      ...['--quiet', '--directory', folder, '--bind-ro=/usr', '--private-network', '--register=no', '--keep-unit'],
      ...[`--machine=trisiel-${process.pid}`, '--console=pipe', '--boot', '--', '--unit=play.service'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  let shown = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      shown = `${shown}${text}`.slice(-20_000);
    });
  await once(child, 'close');
  process.off('exit', end);
  return shown;
}
