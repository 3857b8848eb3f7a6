/** Archives are foreign input: what is not exactly one of ours is refused in words, and leaves nothing behind. */

import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveLimits } from '../../../src/control/backup/archive-reader.ts';
import { writeBackup } from '../../../src/control/backup/backup.ts';
import { restoreBackup } from '../../../src/control/backup/restore.ts';
import { padding, readTarHeader, tarHeader } from '../../../src/control/backup/tar.ts';
import { openDatabase } from '../../../src/control/db/database.ts';
import { migrationNames } from '../../../src/control/db/migrate.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../support/e2e.ts';

let folder: string;
let archive: string;
const platformId = randomUUID();
const id = randomUUID();

beforeAll(async () => {
  folder = join(await temporaryFolder(), 'data');
  await mkdir(folder);
  const db = await openDatabase({ file: join(folder, 'trisiel.db') });
  await db.insertInto('settings').values({ key: 'platform_id', value: platformId }).execute();
  // Every kind of value: NUL, a line separator, bytes, null.
  await db
    .insertInto('users')
    .values({ id: 'u1', name: 'ada', password_hash: 'a\0b\u2028c\ufdd0', created_ms: 1 } as never)
    .execute();
  await db
    .insertInto('handlers')
    .values({
      id: 'h1',
      name: 'swift',
      owner_id: 'u1',
      next_number: 1,
      created_ms: 2,
      deploy_branch: null,
      deleted_ms: null,
      settings: null,
    })
    .execute();
  await db
    .insertInto('kv')
    .values({ handler_id: 'h1', bucket: 'b', key: 'k', value: Buffer.from([0, 255, 10]), updated_ms: 3 })
    .execute();
  await db.close();
  await writeFile(join(folder, 'control.json'), JSON.stringify({ controlId: 'c', platformId, database: 'sqlite' }));
  await writeFile(join(folder, 'env.key'), `${'ab'.repeat(32)}\n`);
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', join(folder, 'repos', 'h1.git')]);
  archive = join(dirname(folder), 'whole.trisiel');
  await back(archive);
});
afterAll(removeTemporaryFolders);

async function back(file: string, since: string | null = null): ReturnType<typeof writeBackup> {
  const location = { file: join(folder, 'trisiel.db') };
  return writeBackup({ dataFolder: folder, location, file, since, contents: 'all', program: 'test', now: () => 1_000 });
}

/** Restores into a new place. Returns the error's code, or null; a refused archive must leave nothing there. */
async function attempt(file: string): Promise<string | null> {
  const place = await temporaryFolder();
  const dataFolder = join(place, 'data');
  const code = await restoreBackup({ file, bases: [], dataFolder, databaseUrl: null }).then(
    () => null,
    (error: { code?: string }) => error.code ?? String(error),
  );
  expect(await readdir(place)).toEqual(code === null ? ['data'] : []);
  return code;
}

it('is not made of a data folder without its identity', async () => {
  const other = join(await temporaryFolder(), 'data');
  await cp(folder, other, { recursive: true });
  await rm(join(other, 'control.json'));
  const file = `${other}.trisiel`;
  const options = { file, since: null, contents: 'all', program: 'test', now: () => 1_000 } as const;
  const location = { file: join(other, 'trisiel.db') };
  await expect(writeBackup({ ...options, dataFolder: other, location })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('control.json is missing'),
  });
  expect(await readdir(dirname(other))).toEqual(['data']);
});

interface Entry {
  readonly name: string;
  readonly content: string | Buffer;
}

/** Makes an archive whose seal and manifest are right, whatever it holds. */
async function forge(
  given: readonly Entry[],
  change: { readonly header?: object; readonly named?: readonly Entry[]; readonly raw?: (tar: Buffer) => Buffer } = {},
): Promise<string> {
  const isWhole = given.some(({ name }) => name === 'database/settings.ndjson');
  const own = isWhole
    ? []
    : [{ name: 'database/settings.ndjson', content: `["key","value"]\n["platform_id","${platformId}"]\n` }];
  const entries = [...own, ...given];
  const header = {
    ...{ kind: 'trisiel-backup', format: 1, id, createdMs: 1, program: 'x', platformId, contents: 'all', bases: [] },
    migrations: migrationNames,
    ...change.header,
  };
  const files = (change.named === undefined ? entries : [...own, ...change.named]).map(({ name, content }) => ({
    ...{ name, bytes: Buffer.byteLength(content), archive: id },
    sha256: createHash('sha256').update(content).digest('hex'),
  }));
  const manifest = JSON.stringify({ files, missing: [] });
  const all = [
    { name: 'backup.json', content: JSON.stringify(header) },
    ...entries,
    { name: 'manifest.json', content: manifest },
    { name: 'manifest.sha256', content: `${createHash('sha256').update(manifest).digest('hex')}  manifest.json\n` },
  ];
  const blocks = all.flatMap(({ name, content }) => {
    const bytes = Buffer.from(content);
    return [tarHeader({ name, bytes: bytes.length }, 0), bytes, Buffer.alloc(padding(bytes.length))];
  });
  const tar = Buffer.concat([...blocks, Buffer.alloc(1024)]);
  const file = join(await temporaryFolder(), 'forged.trisiel');
  await writeFile(file, change.raw?.(tar) ?? tar);
  return file;
}

const identity: Entry = { name: 'control.json', content: JSON.stringify({ controlId: 'c', platformId }) };

it('a header of which a byte has changed is damaged', () => {
  const header = tarHeader({ name: 'database/users.ndjson', bytes: 1_000 }, 0);
  expect(readTarHeader(header)).toMatchObject({ name: 'database/users.ndjson', bytes: 1_000 });
  // In the name, in the digits of the size, and in those of the checksum itself.
  for (const at of [3, 130, 150]) {
    const damaged = Buffer.from(header);
    damaged[at]! ^= 1;
    expect(() => readTarHeader(damaged)).toThrow('a header is damaged');
  }
});

describe('restoring', () => {
  it('brings every kind of value back', async () => {
    const dataFolder = join(await temporaryFolder(), 'data');
    await restoreBackup({ file: archive, bases: [], dataFolder, databaseUrl: null });
    const db = await openDatabase({ file: join(dataFolder, 'trisiel.db') });
    const user = await db.selectFrom('users').selectAll().executeTakeFirstOrThrow();
    expect(user).toMatchObject({ name: 'ada', password_hash: 'a\0b\u2028c\ufdd0', is_admin: 0, suspended_ms: null });
    expect(Buffer.from((await db.selectFrom('kv').select('value').executeTakeFirstOrThrow()).value)).toEqual(
      Buffer.from([0, 255, 10]),
    );
    await db.close();
    expect(await readFile(join(dataFolder, 'env.key'), 'utf8')).toBe(`${'ab'.repeat(32)}\n`);
  });

  it('takes a forged archive that is in order: the refusals below are for what they say', async () => {
    expect(await attempt(await forge([identity]))).toBe(null);
  });

  const entry = ({ name, content }: Entry): Buffer => {
    const bytes = Buffer.from(content);
    return Buffer.concat([tarHeader({ name, bytes: bytes.length }, 0), bytes, Buffer.alloc(padding(bytes.length))]);
  };
  /** Returns why an archive is refused. */
  const refusal = async (file: string): Promise<string> => {
    const dataFolder = join(await temporaryFolder(), 'data');
    return restoreBackup({ file, bases: [], dataFolder, databaseUrl: null }).then(
      () => 'restored',
      (error: Error) => error.message,
    );
  };

  it('refuses a file that comes twice, alike or not, and one behind the end, also where the manifest names it', async () => {
    const twice = (content: string) => (tar: Buffer) => {
      const at = tar.indexOf('control.json');
      return Buffer.concat([tar.subarray(0, at), entry({ name: 'control.json', content }), tar.subarray(at)]);
    };
    for (const content of [String(identity.content), 'other'])
      expect(await refusal(await forge([identity], { raw: twice(content) }))).toContain('"control.json" comes twice');
    const key: Entry = { name: 'env.key', content: `${'ab'.repeat(32)}\n` };
    const behind = (tar: Buffer) => Buffer.concat([tar.subarray(0, -1024), entry(key), Buffer.alloc(1024)]);
    expect(await refusal(await forge([identity], { named: [identity, key], raw: behind }))).toContain(
      'something follows its end',
    );
  });

  it('refuses parts of its own that are larger than they may be, before it reads them', async () => {
    const long = (bytes: number) => ({ header: { program: 'x'.repeat(bytes) } });
    expect(await refusal(await forge([identity], long(archiveLimits.headerBytes / 2)))).not.toContain('too large');
    expect(await refusal(await forge([identity], long(archiveLimits.headerBytes)))).toContain('a part is too large');
  });

  it('refuses a folder that is not empty', async () => {
    const dataFolder = await temporaryFolder();
    await writeFile(join(dataFolder, 'mine'), '');
    await expect(restoreBackup({ file: archive, bases: [], dataFolder, databaseUrl: null })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await readdir(dataFolder)).toEqual(['mine']);
  });

  it.each([
    '../evil',
    '/etc/evil',
    'repos/h1.git/config',
    'repos/h1.git/hooks/post-receive',
    'repos/h1.git/objects/info/alternates',
    'repos/../env.key',
    'repos/.config',
    'artifacts/ab/../../env.key',
    'database/../x.ndjson',
    'trisiel.db',
    'env.key\n',
  ])('refuses the name %j', async (name) => {
    expect(await attempt(await forge([identity, { name, content: 'x' }]))).toBe('archive_invalid');
  });

  it.each(['1', '2', '3', '5', 'x', 'L', '\0'])('refuses an entry of type %j', async (type) => {
    const link = (tar: Buffer): Buffer => {
      const at = tar.indexOf('control.json');
      tar.write(type, at + 156, 'latin1');
      tar.write('        ', at + 148);
      const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
      tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
      return tar;
    };
    expect(await attempt(await forge([identity], { raw: link }))).toBe('archive_invalid');
  });

  it.each([
    ['a name twice', [identity, identity], {}],
    ['a file that the manifest does not name', [identity, { name: 'env.key', content: 'x' }], { named: [identity] }],
    ['a file that is only named', [identity], { named: [identity, { name: 'env.key', content: 'x' }] }],
    [
      'another content than the manifest says',
      [identity],
      { named: [{ ...identity, content: identity.content.toString().replace('"c"', '"d"') }] },
    ],
    ['a table that nobody knows', [identity, { name: 'database/nobody.ndjson', content: '["a"]\n' }], {}],
    [
      'a column that nobody knows',
      [identity, { name: 'database/users.ndjson', content: '["id; drop table users"]\n' }],
      {},
    ],
    [
      'a row that is too short',
      [identity, { name: 'database/settings.ndjson', content: '["key","value"]\n["a"]\n' }],
      {},
    ],
    [
      'a row of another type',
      [identity, { name: 'database/settings.ndjson', content: '["key","value"]\n["a",[]]\n' }],
      {},
    ],
    [
      'a row that refers to nothing',
      [
        identity,
        {
          name: 'database/tokens.ndjson',
          content: '["id","user_id","hash","label","created_ms"]\n["t","nobody","h","l",1]\n',
        },
      ],
      {},
    ],
    ['half a row', [identity, { name: 'database/settings.ndjson', content: '["key","value"]\n["a","b"]' }], {}],
    ['no identity', [], {}],
    [
      'a database of another platform',
      [identity, { name: 'database/settings.ndjson', content: '["key","value"]\n["platform_id","x"]\n' }],
      {},
    ],
    ['another identity', [{ ...identity, content: '{"controlId":"c","platformId":"other"}' }], {}],
    [
      'a HEAD that leads elsewhere',
      [identity, { name: 'repos/h1.git/HEAD', content: 'ref: refs/heads/a\n[core]' }],
      {},
    ],
    ['migrations with a gap', [identity], { header: { migrations: migrationNames.slice(1) } }],
    ['unknown fields', [identity], { header: { more: 1 } }],
  ] as const)('refuses %s', async (_title, entries, change) => {
    expect(await attempt(await forge(entries, change))).toBe('archive_invalid');
  });

  it.each([{ format: 2 }, { migrations: [...migrationNames, '9999-later'] }])(
    'refuses a newer one: %j',
    async (header) => {
      expect(await attempt(await forge([identity], { header }))).toBe('archive_newer');
    },
  );

  it('refuses foreign files', async () => {
    const place = await temporaryFolder();
    await writeFile(join(place, 'empty'), '');
    await writeFile(join(place, 'text'), 'not an archive\n'.repeat(100));
    execFileSync('tar', ['-cf', join(place, 'tar'), '-C', place, 'text']);
    await mkdir(join(place, 'folder'));
    execFileSync('mkfifo', [join(place, 'pipe')]);
    for (const name of ['empty', 'text', 'tar', 'folder', 'pipe'])
      expect(await attempt(join(place, name))).toBe('archive_invalid');
    expect(await attempt(join(place, 'missing'))).toBe('not_found');
  });

  it('refuses a half archive, wherever it was cut', async () => {
    const bytes = await readFile(archive);
    const file = join(await temporaryFolder(), 'half.trisiel');
    // Without its last block of zeros nothing of it is missing.
    for (let length = 0; length < bytes.length - 1024; length += 4096 - 37) {
      await writeFile(file, bytes.subarray(0, length));
      expect(await attempt(file), `cut at ${length}`).toBe('archive_invalid');
    }
  });

  it('refuses or restores exactly, whichever byte is damaged', async () => {
    const bytes = await readFile(archive);
    const file = join(await temporaryFolder(), 'damaged.trisiel');
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1025), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = damaged[at]! ^ flip;
        await writeFile(file, damaged);
        const code = await attempt(file);
        // The header names what the archive is of; its own text is not part of what is restored.
        expect(['archive_invalid', 'archive_newer', null]).toContain(code);
        if (code === null) expect(isContent(bytes, at)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });
});

/** Whether a byte is content of a restored file: neither padding, a header's spare field, nor backup.json. */
function isContent(tar: Buffer, offset: number): boolean {
  for (let at = 0; at < tar.length - 1024; ) {
    const bytes = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    const begin = at + 512;
    if (offset >= begin && offset < begin + bytes)
      return !tar.toString('latin1', at, at + 11).startsWith('backup.json');
    at = begin + bytes + padding(bytes);
  }
  return false;
}

describe('trisiel backup', () => {
  it('writes only what has changed --since, and restores from both', async () => {
    const place = await temporaryFolder();
    const base = join(place, 'base.trisiel');
    await back(base);
    const next = join(place, 'next.trisiel');
    const { bytes } = await back(next, base);
    expect(bytes).toBeLessThan((await readFile(base)).length);
    expect(await attempt(next)).toBe(null);
    const third = join(place, 'third.trisiel');
    await back(third, next);
    expect(await attempt(third)).toBe(null);
    const alone = join(await temporaryFolder(), 'next.trisiel');
    await cp(next, alone);
    expect(await attempt(alone)).toBe('not_found');
    const dataFolder = join(await temporaryFolder(), 'data');
    await restoreBackup({ file: alone, bases: [base], dataFolder, databaseUrl: null });
    // A base of the same name that is another archive is not taken.
    await cp(third, join(dirname(alone), 'base.trisiel'));
    expect(await attempt(alone)).toBe('not_found');
  });

  it('leaves what exists, and nothing of an attempt that failed', async () => {
    const place = await temporaryFolder();
    await writeFile(join(place, 'mine'), 'mine');
    await expect(back(join(place, 'mine'))).rejects.toMatchObject({ code: 'conflict' });
    expect(await readFile(join(place, 'mine'), 'utf8')).toBe('mine');
    await expect(back(join(place, 'no', 'folder'))).rejects.toMatchObject({ code: 'unavailable' });
    expect((await readdir(folder)).filter((name) => name.startsWith('.backup'))).toEqual([]);
  });

  it('removes what a backup that was killed has left', async () => {
    const child = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim();
    await mkdir(join(folder, `.backup-${child}-0011aabb`));
    await back(join(await temporaryFolder(), 'a.trisiel'));
    expect((await readdir(folder)).filter((name) => name.startsWith('.backup'))).toEqual([]);
  });
});

describe('a restore', () => {
  it('does not write through a link that lies in its way', async () => {
    const place = await temporaryFolder();
    const elsewhere = await temporaryFolder();
    await symlink(elsewhere, join(place, 'data'));
    const restoring = restoreBackup({ file: archive, bases: [], dataFolder: join(place, 'data'), databaseUrl: null });
    await expect(restoring).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/is a link$/),
      hints: [expect.stringContaining(`TRISIEL_DATA=${elsewhere}`)],
    });
    expect(await readdir(elsewhere)).toEqual([]);
    await rm(join(place, 'data'), { recursive: true, force: true });
  });
});
