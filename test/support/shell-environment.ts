/** Makes the variables of a shell in which a test types commands: an own home folder, and git without prompts. */

export interface ShellEnvironment {
  readonly home: string;
  /** Folder of the program `wasmcloud`, which comes first on PATH. */
  readonly bin: string;
  /** Configuration folder below `home`. */
  readonly configHome: string;
  readonly gitConfig: string;
  /** URL of control. */
  readonly server: string;
}

export function shellEnvironment({ home, bin, configHome, gitConfig, server }: ShellEnvironment): {
  readonly [name: string]: string;
} {
  return {
    PATH: `${bin}:${process.env.PATH ?? ''}`,
    HOME: home,
    XDG_CONFIG_HOME: configHome,
    GIT_CONFIG_GLOBAL: gitConfig,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.com',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.com',
    WASMCLOUD_SERVER: server,
  };
}
