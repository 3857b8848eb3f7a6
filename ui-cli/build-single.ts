/**
 * `npm run build:single [FILE]`: makes `wasmcloud` one executable file (dist/wasmcloud), which needs no Node.js, no npm
 * and no other file, for machines of the kind that it is built on. Node.js puts the code and the scaffolds into a copy
 * of itself (https://nodejs.org/api/single-executable-applications.html).
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { build, type Plugin } from 'esbuild';
import { commandLineOptions } from './build.ts';
import { templatesIn } from './scaffold.ts';
import { templatesAsset } from './single-file.ts';

const root = resolve(import.meta.dirname, '..');

/** Writes the executable file `output`; a file of that name is replaced. */
export async function buildSingleFile(output = join(root, 'dist/wasmcloud')): Promise<void> {
  await mkdir(dirname(output), { recursive: true });
  const folder = await mkdtemp(`${output}-`);
  try {
    const main = join(folder, 'wasmcloud.mjs');
    await bundle(main);
    await writeFile(join(folder, templatesAsset), JSON.stringify(await allTemplates()));
    const config = {
      main,
      mainFormat: 'module',
      output: join(folder, 'wasmcloud'),
      disableExperimentalSEAWarning: true,
      // Words and variables are the user's: none of them is for Node.js but NODE_OPTIONS.
      execArgvExtension: 'env',
      assets: { [templatesAsset]: join(folder, templatesAsset) },
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    await promisify(execFile)(process.execPath, ['--build-sea', join(folder, 'config.json')], { cwd: folder });
    await rename(config.output, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the whole program as one module that imports nothing but parts of Node.js. */
async function bundle(file: string): Promise<void> {
  const options = await commandLineOptions();
  await build({
    ...options,
    entryPoints: [join(root, 'ui-cli/main.ts')],
    outfile: file,
    // wabt, which is CommonJS, asks for the folder of its file and then reads nothing there.
    banner: { js: `${options.banner.js}const __dirname=import.meta.dirname;` },
    define: {
      ...options.define,
      WASMCLOUD_SINGLE: 'true',
      // ws looks for its optional parts only without these: there are no packages to load from.
      'process.env.WS_NO_BUFFER_UTIL': '"1"',
      'process.env.WS_NO_UTF_8_VALIDATE': '"1"',
    },
    plugins: [withoutDebugger],
  });
}

/** Puts nothing in the place of Ink's debugger, which is no dependency of this project. */
const withoutDebugger: Plugin = {
  name: 'without-debugger',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'nothing' }));
    onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'export default {};' }));
  },
};

async function allTemplates(): Promise<unknown> {
  const folder = join(root, 'scaffolds');
  const read = templatesIn(folder);
  const parts = await Promise.all((await readdir(folder)).map(async (part) => [part, await read(part)]));
  return Object.fromEntries(parts);
}

if (import.meta.main) await buildSingleFile(...process.argv.slice(2, 3).map((path) => resolve(path)));
