/**
 * Makes the environment of every git process and of its hooks. node-git-server gives its children the environment of
 * control itself, so src/bin/serve.ts reduces process.env to this one after reading its configuration (docs/safety.md).
 */
import { dirname, join } from 'node:path';
import { MIB, pushLimits } from '../../protocol/limits.ts';

/**
 * Bytes that git may allocate at a time: the largest module that is taken, as a delta against an earlier one, and some
 * more. Larger files are taken too where they come whole: git streams those above `core.bigFileThreshold`.
 */
export const objectMemoryBytes = pushLimits.moduleBytes + 32 * MIB;

export interface GitEnvironmentOptions {
  /** Environment of control, of which only PATH and TMPDIR are used. */
  readonly base: Readonly<Record<string, string | undefined>>;
  /** Value of process.execPath: the hook's `#!/usr/bin/env node` must find the pinned Node. */
  readonly execPath: string;
  /** Control's data folder. */
  readonly dataFolder: string;
}

/** Returns the whole environment of git. */
export function gitEnvironment({ base, execPath, dataFolder }: GitEnvironmentOptions): Record<string, string> {
  return {
    PATH: [dirname(execPath), base.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':'),
    ...(base.TMPDIR === undefined ? {} : { TMPDIR: base.TMPDIR }),
    // An empty folder, made by Repositories.open: ~/.gitconfig and ~/.netrc of the server's user are not read.
    HOME: emptyHome(dataFolder),
    XDG_CONFIG_HOME: emptyHome(dataFolder),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    // For what one object takes in memory, which a delta or zlib makes a million times as large as its bytes in a pack.
    GIT_ALLOC_LIMIT: String(objectMemoryBytes),
    // English, because unpack-error.ts and others compare git's messages.
    LC_ALL: 'C',
  };
}

/**
 * Returns the path of the folder that git takes for the home folder. The folder is empty, so that git reads no
 * settings of the user that control runs as.
 */
export function emptyHome(dataFolder: string): string {
  return join(dataFolder, 'repos', '.home');
}
