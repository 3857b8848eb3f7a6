/**
 * Machines of their own in folders, whose first process is systemd: containers with this machine's /usr, without a
 * network or with one that only they are in.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
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

/** A folder that is to be a machine. */
export async function bareMachine(name: string): Promise<string> {
  // On the same disk as the dependencies, which are linked.
  await mkdir(join(root, 'dist'), { recursive: true });
  const top = await mkdtemp(join(root, `dist/${name}-`));
  await makeSystem(top);
  return top;
}

/**
 * Makes such a machine in the new folder `top` with the package installed at /opt/trisiel: `program` is its folder.
 * `name` begins the folder's name.
 */
export async function installedMachine(name: string): Promise<{ readonly top: string; readonly program: string }> {
  const top = await bareMachine(name);
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

/** A network that machines of one test are in, and nothing else. */
export interface MachineNetwork {
  /** Words in front of a command that runs where the network is. */
  readonly inside: readonly string[];
  close(): void;
}

/** Name of the switch of a network. */
const bridge = 'machines0';

/** Makes a network, or returns why there cannot be one. It ends with this process. */
export async function machineNetwork(): Promise<MachineNetwork | string> {
  const make = `ip link set lo up && ip link add ${bridge} type bridge && ip link set ${bridge} up && echo made && exec cat`;
  const child = spawn('unshare', ['--net', 'sh', '-c', make], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
  child.on('error', (error) => said.push(error.message));
  const isMade = await new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout }).once('line', () => resolve(true));
    child.once('close', () => resolve(false));
  });
  if (!isMade) return `no network between machines: ${said.join('; ')}`;
  return { inside: ['nsenter', `--net=/proc/${child.pid}/ns/net`], close: () => void child.kill('SIGKILL') };
}

export interface BootOptions {
  /** Name of the machine, where there are several; at most 8 characters of a-z, 0-9 and -. */
  readonly name?: string;
  /** The network that its interface host0 is in; without one it has only a loopback. */
  readonly network?: MachineNetwork;
  /** Folders of the host that are shown in it too, by their paths in it. */
  readonly shared?: Readonly<Record<string, string>>;
}

/**
 * Boots the machine to run `script` of its folder as a service, and resolves when it has been turned off, with what its
 * console showed.
 */
export async function boot(folder: string, script: string, options: BootOptions = {}): Promise<string> {
  const { name = 'trisiel', network, shared = {} } = options;
  const unit = `[Unit]\nWants=basic.target\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash ${script}\n`;
  await mkdir(dirname(join(folder, 'etc/systemd/system/play.service')), { recursive: true });
  await writeFile(join(folder, 'etc/systemd/system/play.service'), `${unit}TimeoutStartSec=infinity\n`);
  const [program = '', ...words] = [
    ...(network?.inside ?? []),
    // Ends with this process, however that ends, and with it all of its namespace of processes: systemd-nspawn that is
    // killed would leave the machine running.
    ...['setpriv', '--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...['systemd-nspawn', '--quiet', '--directory', folder, '--bind-ro=/usr', '--register=no', '--keep-unit'],
    network === undefined ? '--private-network' : `--network-bridge=${bridge}`,
    ...Object.entries(shared).map(([there, here]) => `--bind=${here}:${there}`),
    ...[`--machine=${name}-${process.pid}`, '--console=pipe', '--boot', '--', '--unit=play.service'],
  ];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
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
