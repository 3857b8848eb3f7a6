/** Finds out how the user types this command, so that every hint can be copied and run. */
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';

export interface CommandPlace {
  /** Absolute path of bin/wasmcloud.js. */
  readonly launcher: string;
  /** Value of the variable PATH. */
  readonly path: string;
  /** Whether npx or npm exec started this process. */
  readonly throughNpx: boolean;
  /** The current folder. */
  readonly folder: string;
  readonly home: string;
}

/**
 * Returns `wasmcloud` when PATH leads to `launcher`; else `npx wasmcloud` in the program's own folder, `npx --prefix
 * FOLDER wasmcloud` after npx elsewhere, and the launcher's path in all other cases. Folders that npm adds to PATH for
 * its own children do not count, since the user's shell does not have them.
 */
export function commandName({ launcher, path, throughNpx, folder, home }: CommandPlace): string {
  const folders = path.split(delimiter).filter((entry) => entry !== '' && !isNpmFolder(entry));
  if (folders.some((entry) => leadsTo(join(entry, 'wasmcloud'), launcher))) return 'wasmcloud';
  const program = dirname(dirname(launcher));
  if (!throughNpx) return shellWord(launcher, home);
  return folder === program ? 'npx wasmcloud' : `npx --prefix ${shellWord(program, home)} wasmcloud`;
}

function isNpmFolder(folder: string): boolean {
  return folder.includes(`${sep}node_modules${sep}`) || folder.endsWith(`node-gyp-bin`);
}

function leadsTo(file: string, launcher: string): boolean {
  try {
    return existsSync(file) && realpathSync(file) === realpathSync(launcher);
  } catch {
    return false;
  }
}

/** Returns a path as one word of a shell, with the home folder as `~`. */
function shellWord(path: string, home: string): string {
  const short = home !== '' && path.startsWith(home + sep) ? `~${path.slice(home.length)}` : path;
  return /^[\w~./@%+=:,-]+$/.test(short) ? short : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Matches every command of the tool that a hint may contain. */
const commandInHint =
  /(?<![\w./-])(?<!git push |remote add |remote set-url |remote )wasmcloud (?=(?:signup|login|logout|whoami|tokens|invites|namegen|create|list|show|branch|delete|restore|open|deployments|rollback|logs|invocations|audit|env|invoke|queue|quota|account|users|team|transfer|transfers|limits|policy|run|inspect|ui|docs|completion|help)\b)/g;

/**
 * Replaces `wasmcloud` by `command` wherever `text` contains a command to type; the git remote of the same name stays.
 * Hints come from the server too, which does not know how its user starts the tool.
 */
export function typable(text: string, command: string): string {
  return command === 'wasmcloud' ? text : text.replace(commandInHint, `${command.replaceAll('$', '$$$$')} `);
}
