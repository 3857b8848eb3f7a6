/**
 * Bundles the command line tool into dist/, split into chunks, so that each command loads only the code that it needs.
 */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import process from 'node:process';
import { type BuildOptions, build } from 'esbuild';
import { messageOf } from '../src/protocol/errors.ts';

const root = resolve(import.meta.dirname, '..');

/** Age in milliseconds after which chunks of older builds are removed: a running wasmcloud may still load them. */
const staleChunkMs = 24 * 60 * 60 * 1000;

/** Returns what all forms of the program are bundled with. */
export async function commandLineOptions() {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return {
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    jsx: 'automatic',
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: 'silent',
    // CommonJS packages load Node's own modules with require.
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    define: { 'process.env.NODE_ENV': '"production"', WASMCLOUD_VERSION: JSON.stringify(version) },
  } satisfies BuildOptions;
}

/**
 * Bundles the tool into `folder`: `wasmcloud.js`, its chunks, and `inputs.json` with the files that it was made of.
 * Replaces an earlier build in steps at each of which the tool starts.
 */
export async function buildCommandLine(folder = join(root, 'dist')): Promise<void> {
  const result = await build({
    ...(await commandLineOptions()),
    entryPoints: { wasmcloud: join(root, 'ui-cli/main.ts') },
    outdir: folder,
    write: false,
    splitting: true,
    metafile: true,
    chunkNames: 'wasmcloud-[hash]',
    // Left out: only used when debugging Ink, or large and used by `run` alone (undici is also CommonJS, whose names a
    // bundled import() does not see).
    external: ['react-devtools-core', 'wabt', 'undici', 'bufferutil', 'utf-8-validate', 'esbuild'],
  });
  await mkdir(folder, { recursive: true });
  const entry = join(folder, 'wasmcloud.js');
  const chunks = result.outputFiles.filter((file) => file.path !== entry);
  for (const chunk of chunks) await writeWhole(chunk.path, chunk.contents);
  // The launcher rebuilds when one of these files is newer than the entry.
  const inputs = Object.keys(result.metafile.inputs)
    .filter((path) => !path.includes('node_modules/') && !path.includes(':'))
    .map((path) => relative(root, resolve(root, path)));
  inputs.push('package-lock.json', 'ui-cli/build.ts');
  await writeWhole(join(folder, 'inputs.json'), JSON.stringify(inputs.toSorted()));
  // Written last, so that an entry never names a chunk that does not exist yet.
  for (const file of result.outputFiles) if (file.path === entry) await writeWhole(entry, file.contents);
  // Removes compiled code of earlier builds (main.ts).
  await rm(join(folder, 'cache'), { recursive: true, force: true });
  await removeStale(folder, new Set(chunks.map((chunk) => chunk.path)));
}

async function writeWhole(path: string, contents: string | Uint8Array): Promise<void> {
  const name = createHash('sha256').update(`${path}${process.pid}`).digest('hex').slice(0, 8);
  await writeFile(`${path}.${name}`, contents);
  await rename(`${path}.${name}`, path);
}

async function removeStale(folder: string, current: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!/^wasmcloud-.*\.js$/.test(name) || current.has(path)) continue;
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > staleChunkMs) await unlink(path).catch(() => undefined);
  }
}

if (import.meta.main) {
  try {
    await buildCommandLine();
  } catch (error) {
    process.stderr.write(`wasmcloud: the build failed\n${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
