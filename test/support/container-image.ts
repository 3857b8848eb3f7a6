/**
 * Builds deploy/container/Containerfile with buildah, which needs no daemon. The images that it begins with come from a
 * registry elsewhere; here they are made under their names: Debian by mmdebstrap, and on it this machine's npm.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npmMissing } from './npm-registry.ts';

const root = join(import.meta.dirname, '../..');
/**
 * Most time that one step of a build may take: steps get packages over the network, and hold up the test's own timers.
 */
const stepMs = 600_000;

/** What an image says about its processes. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly folder: string;
  readonly volumes: readonly string[];
  readonly stopSignal: string;
  readonly entryPoint: readonly string[];
  readonly healthCheck: readonly string[];
}

/** Address of Debian's packages, as this machine gets them; '': its packages are not Debian's. */
function debianAddress(): string {
  const words = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian'];
  const { stdout } = spawnSync('apt-get', words, { encoding: 'utf8' });
  return (stdout ?? '').split('\n').find((line) => line !== '' && !line.includes('security')) ?? '';
}

/** Returns why no image can be built here; null: one can. Asks the registry of npm once. */
export function builderMissing(): string | null {
  if (process.getuid?.() !== 0) return 'buildah needs root here';
  for (const name of ['buildah', 'mmdebstrap'])
    if (spawnSync(name, ['--version']).status !== 0) return `${name} is not installed (apt-get install ${name})`;
  return debianAddress() === '' ? "Debian's packages are not reached" : npmMissing();
}

export class ImageBuilder {
  readonly #folder: string;

  /** `folder` is empty, and has room for 2 GB. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Calls buildah; returns what it prints on stdout. Throws with what it prints on stderr. */
  #buildah(...words: readonly string[]): string {
    const places = ['--root', join(this.#folder, 'images'), '--runroot', join(this.#folder, 'run')];
    return execFileSync('buildah', [...places, ...words], {
      ...{ encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26, timeout: stepMs },
      env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
    }).trim();
  }

  /** Makes both images that the Containerfile names after FROM. */
  async makeBases(): Promise<void> {
    const text = await readFile(join(root, 'deploy/container/Containerfile'), 'utf8');
    const [withNode = '', bare = ''] = [...text.matchAll(/^FROM (\S+)/gm)].map(([, name = '']) => name);
    const [, suite = ''] = /:([a-z]+)-slim$/.exec(bare) ?? [];
    const archive = join(this.#folder, 'debian.tar');
    // As Debian's own images: packages are not kept once they are installed.
    const clean = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };';
    execFileSync(
      'mmdebstrap',
      [
        ...['--quiet', '--variant=apt', `--customize-hook=echo '${clean}' >"$1/etc/apt/apt.conf.d/clean"`],
        ...[suite, archive, debianAddress()],
      ],
      { timeout: stepMs },
    );
    this.#commit('scratch', archive, bare);
    const added = join(this.#folder, 'node');
    await this.#nodeFiles(added);
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    this.#commit(bare, added, withNode, [
      'npm_config_sqlite3_local_prebuilds=/opt/prebuilds',
      `npm_config_cafile=${certificates}`,
      `NODE_EXTRA_CA_CERTS=${certificates}`,
    ]);
  }

  #commit(from: string, added: string, name: string, env: readonly string[] = []): void {
    const container = this.#buildah('from', from);
    this.#buildah('add', '--quiet', container, added, '/');
    if (env.length > 0) this.#buildah('config', ...env.flatMap((entry) => ['--env', entry]), container);
    this.#buildah('commit', '--quiet', '--rm', container, name);
  }

  /** Node.js, npm, authorities of this machine, and the file that sqlite3 otherwise gets ready-made from github.com. */
  async #nodeFiles(folder: string): Promise<void> {
    for (const place of ['usr/local/bin', 'opt/prebuilds', 'etc/ssl/certs'])
      await mkdir(join(folder, place), { recursive: true });
    await cp(process.execPath, join(folder, 'usr/local/bin/node'));
    execFileSync('npm', ['install', '--silent', '--global', '--prefix', join(folder, 'usr/local'), 'npm@11'], {
      timeout: stepMs,
    });
    const authorities = await readFile('/etc/ssl/certs/ca-certificates.crt').catch(() => '');
    await writeFile(join(folder, 'etc/ssl/certs/ca-certificates.crt'), authorities);
    const sqlite3 = join(root, 'node_modules/sqlite3');
    const { version } = JSON.parse(await readFile(join(sqlite3, 'package.json'), 'utf8')) as { version: string };
    const ready = join(folder, 'opt/prebuilds', `sqlite3-v${version}-napi-v6-linux-${process.arch}.tar.gz`);
    execFileSync('tar', ['-C', sqlite3, '-czf', ready, 'build/Release/node_sqlite3.node']);
  }

  /** Builds the Containerfile with the files of `context`; returns what the build printed. */
  build(context: string): string {
    const file = join(root, 'deploy/container/Containerfile');
    return this.#buildah('build', '--format', 'docker', '--pull-never', '--file', file, '--tag', 'trisiel', context);
  }

  config(): ImageConfig {
    const { Docker } = JSON.parse(this.#buildah('inspect', '--type', 'image', 'trisiel'));
    const { Env, User, WorkingDir, Volumes, StopSignal, Entrypoint, Healthcheck } = Docker.config;
    return {
      env: Object.fromEntries(Env.map((entry: string) => entry.split(/=(.*)/s).slice(0, 2))),
      user: User,
      folder: WorkingDir,
      volumes: Object.keys(Volumes),
      stopSignal: StopSignal,
      entryPoint: Entrypoint,
      healthCheck: Healthcheck.Test.slice(1),
    };
  }

  /** Returns the folder in which the image's files are mounted. */
  mount(): string {
    return this.#buildah('mount', this.#buildah('from', 'trisiel'));
  }

  /** Unmounts, and removes all images. */
  clear(): void {
    this.#buildah('rm', '--all');
    this.#buildah('rmi', '--all', '--force');
  }
}
