/** `trisiel restore FILE`: restores an archive into an empty data folder and an empty database. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { restoreBackup } from '../control/backup/restore.ts';
import { runCommand } from './command.ts';
import { takeDataFolder } from './data-folder.ts';

await runCommand({ takesFile: true, options: { base: 'path' } }, async ({ file, paths, config }) => {
  const { dataFolder, database } = config;
  // Locks the folder unless it is new: an archive of a database alone is restored beside a folder that is in use.
  const held = existsSync(join(dataFolder, 'control.json'))
    ? takeDataFolder({ path: dataFolder, readableByGuests: [] })
    : null;
  try {
    const { header, files, missing } = await restoreBackup({
      file: file ?? '',
      bases: paths.get('base') ?? [],
      dataFolder,
      databaseUrl: database,
    });
    for (const path of missing) process.stderr.write(`warning: ${path} was missing when the backup was made\n`);
    process.stdout.write(
      `restored files=${files} into ${dataFolder}, as of ${new Date(header.createdMs).toISOString()}\n` +
        'start it with the same settings: trisiel serve\n',
    );
    return 0;
  } finally {
    held?.release();
  }
});
