/**
 * Starting points for functions: folders of templates in scaffolds/, one for each language, and what all of them share.
 */
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PlatformError } from '../src/protocol/errors.ts';

export interface ScaffoldLanguage {
  /** As people write it. */
  readonly title: string;
  readonly abi: 'wasi' | 'component' | 'h';
  /** The file to begin with. */
  readonly source: string;
  /** The file that is pushed and run. */
  readonly module: string;
  /** What must be installed, as the end of "You need". */
  readonly needs: string;
  /** What setup.sh does, as the end of a sentence that begins with it. */
  readonly setup: string;
}

const wasm = 'function.wasm';
const looks = 'looks whether it is there, and says where to get it';

export const scaffoldLanguages = {
  c: {
    ...{ title: 'C', abi: 'wasi', source: 'main.c', module: wasm },
    needs: 'clang, lld, wasi-libc and libclang-rt-dev-wasm32',
    setup: 'installs them on Debian or Ubuntu',
  },
  rust: {
    title: 'Rust',
    abi: 'wasi',
    source: 'src/main.rs',
    module: wasm,
    needs: 'Rust with the target wasm32-wasip1',
    setup: 'adds the target with rustup, unless a package of the distribution has brought it',
  },
  go: { title: 'Go', abi: 'wasi', source: 'main.go', module: wasm, needs: 'Go 1.21 or later', setup: looks },
  tinygo: {
    ...{ title: 'Go (TinyGo)', abi: 'wasi', source: 'main.go', module: wasm },
    ...{ needs: 'TinyGo 0.33 or later', setup: looks },
  },
  assemblyscript: {
    ...{ title: 'AssemblyScript', abi: 'wasi', source: 'assembly/index.ts', module: wasm },
    needs: 'Node.js 20 or later',
    setup: 'installs the packages that package.json names',
  },
  javascript: {
    ...{ title: 'JavaScript', abi: 'component', source: 'src/index.js', module: wasm },
    needs: 'Node.js 20 or later',
    setup: 'installs the packages that package.json names',
  },
  python: {
    ...{ title: 'Python', abi: 'component', source: 'app.py', module: wasm },
    needs: 'Python 3.10 or later with venv (Debian: python3-venv), and npm',
    setup: 'installs componentize-py from PyPI, and the interfaces of wasi:http from npm',
  },
  zig: { title: 'Zig', abi: 'wasi', source: 'main.zig', module: wasm, needs: 'Zig 0.13 or later', setup: looks },
  h: {
    title: 'h',
    abi: 'h',
    source: 'function.h',
    module: 'function.h',
    needs: 'nothing, since the platform compiles h',
    setup: 'has nothing to do',
  },
} as const satisfies Readonly<Record<string, ScaffoldLanguage>>;

export type ScaffoldName = keyof typeof scaffoldLanguages;

/** A file of a scaffold, with words such as @NAME@ that are filled in. */
export interface Template {
  /** Path in the scaffold, with slashes. `dot-` at the beginning of a name stands for a dot. */
  readonly path: string;
  readonly text: string;
  /** Whether the file may be executed. */
  readonly isProgram: boolean;
}

/** Returns the templates of a part of scaffolds/: a language, or `common`. */
export type TemplateSource = (part: string) => Promise<readonly Template[]>;

/** Reads templates from the folder scaffolds/. */
export function templatesIn(templates: string): TemplateSource {
  return async (part) => {
    const folder = join(templates, part);
    return await Promise.all(
      (await filesOf(folder)).map(async (path) => ({
        path,
        text: await readFile(join(folder, path), 'utf8'),
        isProgram: ((await stat(join(folder, path))).mode & 0o100) !== 0,
      })),
    );
  };
}

/**
 * Writes a scaffold into `folder`, which must be missing or empty. Returns the files, relative, sorted. Throws
 * `conflict` where something is there.
 */
export async function writeScaffold(options: {
  readonly templates: TemplateSource;
  readonly language: ScaffoldName;
  readonly name: string;
  readonly folder: string;
}): Promise<readonly string[]> {
  const { templates, language, name, folder } = options;
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new PlatformError('conflict', `${folder}: ${error.message}`, { cause: error });
  });
  if (there.length > 0)
    throw new PlatformError('conflict', `${folder} is not empty; nothing was written`, {
      hints: ['name another folder with --folder'],
    });
  const { title, abi, source, module, needs, setup } = scaffoldLanguages[language];
  const words: Readonly<Record<string, string>> = {
    ...{ NAME: name, LANGUAGE: title, ABI: abi, SOURCE: source, MODULE: module, NEEDS: needs, SETUP: setup },
  };
  const written: string[] = [];
  for (const part of ['common', language]) {
    for (const { path, text, isProgram } of await templates(part)) {
      // Packages are published without files that begin with a dot and mean something to npm.
      const to = path.replaceAll(/(^|\/)dot-/g, '$1.');
      await mkdir(dirname(join(folder, to)), { recursive: true });
      const filled = text.replaceAll(/@([A-Z]+)@/g, (whole, word: string) => words[word] ?? whole);
      await writeFile(join(folder, to), filled);
      if (isProgram) await chmod(join(folder, to), 0o755);
      written.push(to);
    }
  }
  return written.sort();
}

/** Returns the files below a folder, as paths with slashes. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
