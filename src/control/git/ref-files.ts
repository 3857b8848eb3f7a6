/** Reads and writes the refs of a repository as files, which starts no git: refs of these repositories are files. */
import { mkdir, open, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type Refs = ReadonlyMap<string, string>;

/**
 * Returns all refs but HEAD: name -> object id. Reads loose refs first: git packs a ref before it removes the loose
 * one.
 */
export async function readRefs(repository: string): Promise<Refs> {
  const loose = new Map<string, string>();
  await readLoose(repository, 'refs', loose);
  const refs = new Map<string, string>();
  for (const line of (await readIfThere(join(repository, 'packed-refs'))).split('\n')) {
    const [, id, name] = /^([0-9a-f]{40,64}) (refs\/.+)$/.exec(line) ?? [];
    if (id !== undefined && name !== undefined) refs.set(name, id);
  }
  for (const [name, id] of loose) refs.set(name, id);
  return refs;
}

/** Returns the object id of one ref, named in full; null when there is no such ref. */
export async function readRef(repository: string, ref: string): Promise<string | null> {
  const loose = (await readIfThere(join(repository, ref))).trim();
  if (loose !== '') return loose;
  const line = (await readIfThere(join(repository, 'packed-refs'))).split('\n').find((one) => one.endsWith(` ${ref}`));
  return line === undefined ? null : line.slice(0, line.indexOf(' '));
}

/** Sets one ref durably: to the object `id`, which must be there. Only for refs that no git process changes. */
export async function writeRef(repository: string, ref: string, id: string): Promise<void> {
  const draft = join(repository, `trisiel-${ref.replaceAll('/', '-')}`);
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(`${id}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await mkdir(dirname(join(repository, ref)), { recursive: true, mode: 0o700 });
  await rename(draft, join(repository, ref));
}

/** Writes refs in git's packed-refs format. */
export async function writeRefs(repository: string, refs: Refs): Promise<void> {
  const lines = [...refs].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const text = lines.map(([name, id]) => `${id} ${name}\n`).join('');
  await writeFile(join(repository, 'packed-refs'), text, { mode: 0o600 });
}

async function readLoose(repository: string, name: string, refs: Map<string, string>): Promise<void> {
  const entries = await readdir(join(repository, name), { withFileTypes: true }).catch(ifGone([]));
  for (const entry of entries) {
    const path = `${name}/${entry.name}`;
    if (entry.isDirectory()) await readLoose(repository, path, refs);
    else if (!entry.name.endsWith('.lock')) {
      const id = (await readIfThere(join(repository, path))).trim();
      if (/^[0-9a-f]{40,64}$/.test(id)) refs.set(path, id);
    }
  }
}

/** Returns the text of a file; '' when there is none, also where a folder is instead. */
export function readIfThere(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(ifGone(''));
}

function ifGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EISDIR') return value;
    throw error;
  };
}
