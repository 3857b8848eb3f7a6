/** The one place of the command line tool that reads the process's environment. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

export interface Environment {
  /** WASMCLOUD_SERVER and WASMCLOUD_TOKEN; null where unset or empty. They win over the config file. */
  readonly server: string | null;
  readonly token: string | null;
  readonly configFile: string;
  /** Absolute path of bin/wasmcloud.js: git calls it for credentials, the TUI calls it for local runs. */
  readonly launcher: string;
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
  return {
    server: variables.WASMCLOUD_SERVER || null,
    token: variables.WASMCLOUD_TOKEN?.trim() || null,
    configFile: join(configFolder(variables, home), 'wasmcloud', 'config.json'),
    launcher: variables.WASMCLOUD_LAUNCHER ?? join(import.meta.dirname, '..', 'bin', 'wasmcloud.js'),
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
