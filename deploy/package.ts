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
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(described, null, 2)}\n`);
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
