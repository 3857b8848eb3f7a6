/**
 * `trisiel config check [FILE]`: says all that is wrong with the settings; status 0: nothing is. `trisiel config show
 * [FILE]`: prints the settings that a start would use, as a file that a start could read, secrets masked.
 */
import { statSync } from 'node:fs';
import { PlatformError } from '../protocol/errors.ts';
import { complain } from './command.ts';
import { configProblems } from './config.ts';
import {
  configVariable,
  knownSettings,
  type LoadedSettings,
  loadSettings,
  nearestSetting,
  settingNames,
} from './config-file.ts';

const mask = '********';

// A reader that has seen enough, as head, is no mistake.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  process.exitCode = run(process.argv.slice(2));
} catch (error) {
  process.exitCode = 2;
  if (!(error instanceof PlatformError)) throw error;
  complain(error);
}

function run([action, file, ...rest]: readonly string[]): number {
  if ((action !== 'check' && action !== 'show') || rest.length > 0)
    throw new PlatformError('bad_request', 'say trisiel config check or trisiel config show, and at most one FILE', {
      hints: ['see trisiel --help'],
    });
  const settings = loadSettings(process.env, file);
  return action === 'check' ? check(settings) : show(settings);
}

function check(settings: LoadedSettings): number {
  const problems = configProblems(settings.values);
  for (const problem of problems) process.stderr.write(`trisiel: ${problem}\n`);
  for (const note of notesOf(settings)) process.stderr.write(`note: ${note}\n`);
  if (problems.length > 0) return 1;
  const { length } = setSettings(settings);
  process.stdout.write(
    `all well: ${length === 1 ? '1 setting' : `${length} settings`}, the others have their defaults\n`,
  );
  return 0;
}

function show(settings: LoadedSettings): number {
  const { values, file, fromFile } = settings;
  const set = setSettings(settings);
  const secrets = new Set(knownSettings().flatMap(({ name, isSecret }) => (isSecret ? [name] : [])));
  if (file !== null) process.stdout.write(`# ${file}\n`);
  for (const name of set) {
    const value = secrets.has(name) ? mask : values[name];
    process.stdout.write(`${name} = ${JSON.stringify(value)}${fromFile.has(name) ? '' : '  # a variable'}\n`);
  }
  for (const { name } of knownSettings())
    if (!set.includes(name) && !set.includes(`${name}_FILE`)) process.stdout.write(`# ${name} has its default\n`);
  for (const note of notesOf(settings)) process.stderr.write(`note: ${note}\n`);
  return 0;
}

/** Returns the names of the settings that have a value, NAME_FILE included. */
function setSettings({ values }: LoadedSettings): readonly string[] {
  return settingNames().filter((name) => (values[name] ?? '') !== '');
}

/** Returns lines about what a start accepts although it may be a mistake. */
function notesOf({ values, file, overridden, fromFile }: LoadedSettings): readonly string[] {
  const names = new Set(settingNames());
  const unknown = Object.keys(process.env)
    .filter((name) => name.startsWith('TRISIEL_') && name !== configVariable && !names.has(name))
    .map((name) => {
      const nearest = nearestSetting(name);
      return `the variable ${name} is no setting${nearest === null ? '' : `; did you mean ${nearest}?`}`;
    });
  const secrets = knownSettings()
    .filter(({ name, isSecret }) => isSecret && fromFile.has(name))
    .map(({ name }) => name);
  const isReadable = file !== null && secrets.length > 0 && (statSync(file).mode & 0o004) !== 0;
  return [
    ...(file === null ? [`no file was read: name it, or set ${configVariable}`] : []),
    ...overridden.map((name) => overriddenNote(name)),
    ...unknown,
    ...(isReadable ? [`${file} holds ${secrets.join(', ')}, and every user of this machine can read it`] : []),
    ...(values.TRISIEL_URL !== undefined && (values.TRISIEL_TRUSTED_PROXIES ?? '') === ''
      ? ['TRISIEL_URL is set, TRISIEL_TRUSTED_PROXIES is not: behind a proxy all clients seem to have one address']
      : []),
  ];
}

function overriddenNote(name: string): string {
  return `${name} stands in the file and is set as a variable: the variable counts`;
}
