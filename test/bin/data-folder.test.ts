import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeDataFolder } from '../../src/bin/data-folder.ts';

let folder: string;
let path: string;
const holders: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trisiel-data-'));
  path = join(folder, 'data');
});
afterEach(async () => {
  for (const holder of holders.splice(0)) holder.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const take = (readableByGuests: readonly string[] = []) => takeDataFolder({ path, readableByGuests });

/** Another process that takes `at`. Returns what it says: `taken`, or why not. */
async function other(at: string): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const module = fileURLToPath(new URL('../../src/bin/data-folder.ts', import.meta.url));
  const text = `
    import { takeDataFolder } from ${JSON.stringify(module)};
    try {
      takeDataFolder({ path: process.argv[1], readableByGuests: [] });
      console.log('taken');
      setInterval(() => {}, 1_000_000);
    } catch (error) {
      console.log(error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text, at], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  holders.push(child);
  const [said] = await once(createInterface({ input: child.stdout! }), 'line');
  return { child, said };
}

describe('the data folder', () => {
  it('is made for its owner alone, and can be taken again once it has been given up', async () => {
    take().release();
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(path)) expect((await stat(join(path, name))).mode & 0o077, name).toBe(0);
    take().release();
  });

  it('is refused while another process holds it, which is named', async () => {
    const { child, said } = await other(path);
    expect(said).toBe('taken');
    expect(() => take()).toThrow(`the data folder ${path} is in use by another control (process ${child.pid})`);
    expect((await other(path)).said).toContain('in use by another control');
  });

  it('is not in use where its lock is damaged, which is said', async () => {
    take().release();
    await writeFile(join(path, 'control.lock'), 'no database '.repeat(100));
    expect(() => take()).toThrow(`cannot write to the data folder ${path} (`);
  });

  it('is free as soon as its holder has been killed', async () => {
    const { child } = await other(path);
    child.kill('SIGKILL');
    await once(child, 'exit');
    take().release();
  });

  it('works as a copy, made while the first is held, and whatever process number was noted', async () => {
    const held = take();
    const copy = join(folder, 'copy');
    await cp(path, copy, { recursive: true });
    await writeFile(join(copy, 'control.pid'), `${process.pid}\n`);
    expect((await other(copy)).said).toBe('taken');
    held.release();
  });

  it('is refused inside of what guests may read, through a symbolic link too', async () => {
    await mkdir(path);
    await symlink(path, join(folder, 'link'));
    const within = { path: join(path, 'deep', 'data'), readableByGuests: [path] };
    expect(() => takeDataFolder(within)).toThrow('which runners may read');
    expect(() => takeDataFolder({ ...within, path: join(folder, 'link', 'data') })).toThrow('which runners may read');
    expect(() => takeDataFolder({ ...within, path })).toThrow('which runners may read');
    // It leaves nothing behind in the program's own folders.
    expect(await readdir(path)).toEqual([]);
    takeDataFolder({ ...within, path: join(folder, 'beside') }).release();
  });

  it('says why it cannot be used', async () => {
    await writeFile(path, '');
    expect(() => take()).toThrow(/^cannot write to the data folder .* \(E[A-Z]+\)$/);
  });
});
