/** The one place of the command line tool that reads the process's environment. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import process from 'node:process';
import { commandName } from './command-name.ts';

export interface Environment {
  /** WASMCLOUD_SERVER and WASMCLOUD_TOKEN; null where unset or empty. They win over the config file. */
  readonly server: string | null;
  readonly token: string | null;
  readonly configFile: string;
  /** Absolute path of bin/wasmcloud.js: git calls it for credentials, the TUI calls it for local runs. */
  readonly launcher: string;
  /** How the reader of a hint types this command here (command-name.ts). */
  readonly command: string;
  /** BROWSER: the program that opens a URL; null leaves it to the desktop. */
  readonly browser: string | null;
  /** Someone sits at a terminal that can do more than print lines: prompts and the TUI are possible. */
  readonly interactive: boolean;
  /** NO_COLOR (https://no-color.org): present and not empty. */
  readonly noColor: boolean;
  /** TRISIEL_EGRESS_ALLOW: private `host:port` that guests of a local run may reach, as on the platform. */
  readonly egressAllow: readonly string[];
}

/** `WASMCLOUD_LAUNCHER` is set by bin/wasmcloud.js for the process it starts. */
export function readEnvironment(
  variables: NodeJS.ProcessEnv,
  streams: { readonly stdinIsTty: boolean; readonly stdoutIsTty: boolean },
  home: string = homedir(),
): Environment {
  const dumb = variables.TERM === 'dumb';
  const launcher = variables.WASMCLOUD_LAUNCHER ?? join(import.meta.dirname, '..', 'bin', 'wasmcloud.js');
  let command: string | null = null;
  return {
    server: variables.WASMCLOUD_SERVER || null,
    token: variables.WASMCLOUD_TOKEN?.trim() || null,
    configFile: join(configFolder(variables, home), 'wasmcloud', 'config.json'),
    launcher,
    // Looked up when a hint is written: most runs of the tool write none.
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

/** XDG Base Directory Specification 0.8: relative paths are invalid and ignored. */
function configFolder(variables: NodeJS.ProcessEnv, home: string): string {
  const folder = variables.XDG_CONFIG_HOME;
  return folder && isAbsolute(folder) ? folder : join(home, '.config');
}

function isCi(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}
