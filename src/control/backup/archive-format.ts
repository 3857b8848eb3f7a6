/**
 * Format of an archive: `backup.json` comes first and describes it, the files follow, `manifest.json` lists all files
 * with sizes and SHA-256, and `manifest.sha256` closes it. An archive without its last entry is incomplete.
 *
 * backup.json   env.key   control.json   database/TABLE.ndjson
 * artifacts/ab/NAME   repos/ID.git/{HEAD,packed-refs,shallow,objects/…}
 * manifest.json   manifest.sha256
 */
import { z } from 'zod';
import { PlatformError } from '../../protocol/errors.ts';
import { damaged } from './tar.ts';

/** Version of the format; raised by a change after which older programs cannot read an archive. */
export const archiveFormat = 1;

export const headerName = 'backup.json';
export const manifestName = 'manifest.json';
export const sealName = 'manifest.sha256';

const id = z.string().regex(/^[0-9a-f-]{36}$/);
const archiveRef = z.strictObject({ id, file: z.string().min(1).max(255) });

const headerSchema = z.strictObject({
  kind: z.literal('trisiel-backup'),
  format: z.literal(archiveFormat),
  id,
  /** Unix milliseconds of the snapshot. */
  createdMs: z.number().int().nonnegative(),
  /** Version of the program that wrote the archive. */
  program: z.string().max(100),
  platformId: z.string().min(1).max(100),
  /** `all`, or `database`: rows only, as before an upgrade. */
  contents: z.enum(['all', 'database']),
  /** Migrations that the database had, in order. */
  migrations: z.array(z.string().max(100)).min(1).max(10_000),
  /** Archives that hold files which this archive only names; empty: none. */
  bases: z.array(archiveRef).max(1_000),
});

const fileSchema = z.strictObject({
  name: z.string().max(255),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Id of the archive that holds the bytes: this one or a base. */
  archive: id,
});

const manifestSchema = z.strictObject({
  files: z.array(fileSchema),
  /** Names that the database refers to and that the data folder did not have. */
  missing: z.array(z.string().max(1_000)),
});

export type ArchiveHeader = z.infer<typeof headerSchema>;
export type ArchiveFile = z.infer<typeof fileSchema>;
export type ArchiveManifest = z.infer<typeof manifestSchema>;

/**
 * Parses backup.json. Throws `archive_newer` for a later format, `archive_invalid` for any other text that is not
 * valid.
 */
export function readHeader(text: string): ArchiveHeader {
  const value = parse(text, headerName);
  const newer = z.looseObject({ kind: z.literal('trisiel-backup'), format: z.number().int().gt(archiveFormat) });
  if (newer.safeParse(value).success)
    throw new PlatformError('archive_newer', 'a newer Trisiel has made this archive', {
      hints: ['restore it with that version or a later one'],
    });
  const header = headerSchema.safeParse(value);
  if (header.success) return header.data;
  throw damaged('it is not an archive of trisiel backup', header.error);
}

/** Parses manifest.json. Throws `archive_invalid`. */
export function readManifest(text: string): ArchiveManifest {
  const manifest = manifestSchema.safeParse(parse(text, manifestName));
  if (!manifest.success) throw damaged(`${manifestName} is damaged`, manifest.error);
  return manifest.data;
}

/**
 * Names that a restored file may have. Only data of repositories is restored: no configuration, hook or alternates
 * file, which could run programs or lead to other folders. No name leaves the folder.
 */
const filePatterns = [
  /^(?:env\.key|control\.json)$/,
  /^database\/[a-z][a-z0-9_]{0,62}\.ndjson$/,
  /^artifacts\/([0-9a-f]{2})\/\1[0-9a-f]{62}(?:-[a-z]{1,8}\d{0,9}){0,3}$/,
  /^repos\/[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.git\/(?:HEAD|packed-refs|shallow)$/,
  /^repos\/[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.git\/objects\/[0-9a-f]{2}\/[0-9a-f]{38}(?:[0-9a-f]{24})?$/,
  /^repos\/[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.git\/objects\/pack\/pack-[0-9a-f]{40}(?:[0-9a-f]{24})?\.(?:pack|idx|rev|bitmap|mtimes)$/,
];

/** Returns whether an archive may have a file of this name. */
export function isFileName(name: string): boolean {
  return filePatterns.some((pattern) => pattern.test(name));
}

/**
 * Returns whether the name determines the content: a file with such a name and the same size is the same, without being
 * read.
 */
export function isImmutable(name: string): boolean {
  return name.startsWith('artifacts/') || /^repos\/[^/]+\/objects\//.test(name);
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(`${name} is damaged`, error);
  }
}
