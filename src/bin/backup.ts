/** `trisiel backup FILE`: writes everything that is kept into one archive, whether or not a server is running. */
import { writeBackup } from '../control/backup/backup.ts';
import { PlatformError } from '../protocol/errors.ts';
import { programVersion } from '../protocol/program-version.ts';
import { runCommand } from './command.ts';
import { databaseLocation } from './data-identity.ts';

await runCommand({ takesFile: true, options: { since: 'path' } }, async ({ file, paths, config }) => {
  const since = paths.get('since') ?? [];
  if (file === null || since.length > 1) throw new PlatformError('bad_request', 'one archive at most after --since');
  const { bytes, files, handlers, missing } = await writeBackup({
    dataFolder: config.dataFolder,
    location: databaseLocation(config.dataFolder, config.database),
    file,
    since: since[0] ?? null,
    contents: 'all',
    program: programVersion,
    now: Date.now,
  });
  for (const path of missing) process.stderr.write(`warning: ${path} is missing in the data folder\n`);
  if (missing.length > 0) process.stderr.write('hint: trisiel doctor says what that means\n');
  process.stdout.write(`backed up handlers=${handlers} files=${files} bytes=${bytes} to ${file}\n`);
  return 0;
});
