/**
 * `npm run package`: makes an installable package in dist/package, and of it the archive trisiel-VERSION.tgz in the current
 * folder. Node.js runs no TypeScript below node_modules, where packages are installed, so the package has the same files as
 * JavaScript.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildCommandLine } from '../ui-cli/build.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Files and folders that go into the package as they are, besides the pages of `docs`. */
const copied = [
  ...['bin/trisiel.js', 'bin/wasmcloud.js', 'bin/pinned-node.js', 'hooks', 'scaffolds', 'LICENSE'],
  // Files of the source that are no TypeScript, and what `trisiel/client` is.
  ...[
    'src/control/book/browser.js',
    'client/client.js',
    'client/client.d.ts',
    'client/operations.js',
    'client/api.d.ts',
  ],
];
const pages = ['README.md', 'CHANGELOG.md', 'docs/**/*.md', 'deploy/*/**'];

/** Writes the package into `folder`, which is emptied first. */
export async function buildPackage(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeSources(folder);
  await buildCommandLine(join(folder, 'dist'));
  for (const path of [...copied, ...globSync(pages, { cwd: root })])
    await cp(join(root, path), join(folder, path), { recursive: true });
  const {
    private: _,
    scripts,
    devDependencies,
    ...described
  } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const dependencies = exactDependencies(JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')));
  await writeFile(join(folder, 'package.json'), `${JSON.stringify({ ...described, dependencies }, null, 2)}\n`);
}

/** The part of package-lock.json that is read here. */
export interface LockFile {
  readonly packages: Readonly<
    Record<
      string,
      { readonly version: string; readonly dev?: true; readonly devOptional?: true; readonly optional?: true }
    >
  >;
}

/**
 * Returns all packages that `lock` installs with the program, those of dependencies too, each with its exact version: npm heeds
 * neither package-lock.json nor npm-shrinkwrap.json of an archive that it installs. Of a package that is there in two versions
 * the one beside the others is named. Left out are optional packages: those for other machines, which the packages that
 * name them pin themselves.
 */
export function exactDependencies({ packages }: LockFile): Readonly<Record<string, string>> {
  const exact: Record<string, string> = {};
  // The deepest first, so that the version beside the others stays.
  const depth = (path: string): number => path.split('node_modules/').length;
  const delivered = Object.entries(packages)
    .filter(([path, { dev, devOptional, optional }]) => path !== '' && !(dev || devOptional || optional))
    .sort(([a], [b]) => depth(b) - depth(a));
  for (const [path, { version }] of delivered) exact[path.split('node_modules/').at(-1) ?? path] = version;
  return Object.fromEntries(Object.entries(exact).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Writes src as JavaScript, each file beside its place, so that paths between files stay what they are. */
async function writeSources(folder: string): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: globSync('src/**/*.ts', { cwd: root, exclude: ['**/*.d.ts'] }),
    outbase: root,
    outdir: folder,
    write: false,
    bundle: false,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    logLevel: 'silent',
  });
  for (const { path, text } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, withJavaScriptNames(text));
  }
}

/** Changes the ending of names of the program's own files, which esbuild writes in double quotes: "./x.ts" to "./x.js". */
function withJavaScriptNames(code: string): string {
  return code.replaceAll(/"([\w./-]+)\.ts"/g, '"$1.js"');
}

if (import.meta.main) {
  const folder = resolve(root, 'dist/package');
  await buildPackage(folder);
  const packed = spawnSync('npm', ['pack', '--silent', folder], { encoding: 'utf8' });
  process.stdout.write(packed.stdout);
  process.stderr.write(packed.stderr);
  process.exitCode = packed.status ?? 1;
}
