/** Reads the process's environment; no other file of the command line tool does. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import process from 'node:process';
import { commandName } from './command-name.ts';
import { isSingleFile } from './single-file.ts';

export interface Environment {
  /** Values of WASMCLOUD_SERVER and WASMCLOUD_TOKEN; null: unset or empty. They win over the config file. */
  readonly server: string | null;
  readonly token: string | null;
  readonly configFile: string;
  /**
   * Absolute path of bin/wasmcloud.js, or of the program as one file: git runs it for credentials, the terminal
   * interface for local runs.
   */
  readonly launcher: string;
  /** Command as the user types it (command-name.ts), for hints. */
  readonly command: string;
  /** Program that opens a URL, from BROWSER; null: the desktop decides. */
  readonly browser: string | null;
  /** Whether stdin and stdout are a capable terminal, so that prompts and the terminal interface are possible. */
  readonly interactive: boolean;
  /** Whether NO_COLOR is set and not empty (https://no-color.org). */
  readonly noColor: boolean;
  /**
   * Private `host:port` addresses that guests of a local run may reach, from TRISIEL_EGRESS_ALLOW, as on the platform.
   */
  readonly egressAllow: readonly string[];
}

/** Reads the environment. bin/wasmcloud.js sets `WASMCLOUD_LAUNCHER` for the process that it starts. */
export function readEnvironment(
  variables: NodeJS.ProcessEnv,
  streams: { readonly stdinIsTty: boolean; readonly stdoutIsTty: boolean },
  home: string = homedir(),
): Environment {
  const dumb = variables.TERM === 'dumb';
  const launcher = isSingleFile
    ? process.execPath
    : (variables.WASMCLOUD_LAUNCHER ?? join(import.meta.dirname, '..', 'bin', 'wasmcloud.js'));
  let command: string | null = null;
  return {
    server: variables.WASMCLOUD_SERVER || null,
    token: variables.WASMCLOUD_TOKEN?.trim() || null,
    configFile: join(configFolder(variables, home), 'wasmcloud', 'config.json'),
    launcher,
    // Computed when a hint is printed, which most runs of the tool never do.
    get command() {
      command ??= commandName({
        launcher,
        path: variables.PATH ?? '',
        throughNpx: variables.npm_command === 'exec',
        folder: process.cwd(),
        home,
      });
      return command;
    },
    browser: variables.BROWSER || null,
    interactive: streams.stdinIsTty && streams.stdoutIsTty && !dumb && !isCi(variables.CI),
    noColor: Boolean(variables.NO_COLOR) || dumb,
    egressAllow: (variables.TRISIEL_EGRESS_ALLOW ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ''),
  };
}

/** Returns the config folder. XDG Base Directory Specification 0.8: relative paths are invalid and ignored. */
function configFolder(variables: NodeJS.ProcessEnv, home: string): string {
  const folder = variables.XDG_CONFIG_HOME;
  return folder && isAbsolute(folder) ? folder : join(home, '.config');
}

function isCi(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}
