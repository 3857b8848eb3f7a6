/**
 * `trisiel doctor`: checks a data folder and its database. Exit status 0: all is well; 1: something is wrong; 2: it
 * could not be checked.
 */
import { existsSync } from 'node:fs';
import { examine } from '../control/backup/doctor.ts';
import { gitEnvironment } from '../control/git/git-environment.ts';
import { PlatformError } from '../protocol/errors.ts';
import { runCommand } from './command.ts';
import { takeDataFolder } from './data-folder.ts';
import { databaseLocation, knownIdentity } from './data-identity.ts';
import { giveToOwner } from './give-to-owner.ts';

await runCommand({ takesFile: false, options: { repair: 'flag', json: 'flag' } }, async ({ flags, config }) => {
  const { dataFolder, database } = config;
  const location = databaseLocation(dataFolder, database);
  if (!existsSync(dataFolder) || ('file' in location && !existsSync(location.file)))
    throw new PlatformError('not_found', `there is no platform in the data folder ${dataFolder}`, {
      hints: ['name its folder with TRISIEL_DATA, and its database with TRISIEL_DATABASE'],
    });
  const repair = flags.has('repair');
  // Takes the folder's lock: repairs and a running control would work against each other.
  const held = repair ? takeDataFolder({ path: dataFolder, readableByGuests: [] }) : null;
  try {
    const findings = await examine({
      ...{ dataFolder, location, repair, identity: knownIdentity(dataFolder) },
      gitEnvironment: gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder }),
    });
    const left = findings.filter(({ isRepaired }) => !isRepaired).length;
    if (flags.has('json')) process.stdout.write(`${JSON.stringify({ ok: left === 0, findings })}\n`);
    else {
      for (const { check, what, advice, isRepaired } of findings)
        process.stdout.write(isRepaired ? `${check}: ${what}\n  repaired\n` : `${check}: ${what}\n  do: ${advice}\n`);
      process.stdout.write(left === 0 ? 'all is well\n' : `${left} to do\n`);
    }
    return left === 0 ? 0 : 1;
  } finally {
    if (repair) giveToOwner(dataFolder);
    held?.release();
  }
});
