/** Shared parts of the `trisiel` commands: reading of arguments, and one boundary for errors. */
import { resolve } from 'node:path';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { Logger } from 'pino';
import { messageOf, PlatformError } from '../protocol/errors.ts';
import { readConfig, type ServerConfig } from './config.ts';
import { loadSettings } from './config-file.ts';
import type { Environment } from './config-values.ts';

/** Writes an error for a person to stderr, with what can be done. */
export function complain(error: PlatformError): void {
  process.stderr.write(`trisiel: ${error.message}\n`);
  for (const detail of error.details) process.stderr.write(`  ${detail}\n`);
  for (const hint of error.hints) process.stderr.write(`hint: ${hint}\n`);
}

/**
 * Returns the settings of this process by name, those of its configuration file included. The log names each setting of
 * the file that a variable sets too. Throws `bad_request` as loadSettings does.
 */
export function settingsOfStart(log: Logger): Environment {
  const { values, file, overridden } = loadSettings(process.env);
  for (const setting of overridden)
    log.warn({ setting, file }, 'it stands in the file and is set as a variable: the variable counts');
  return values;
}

export interface CommandArguments {
  readonly file: string | null;
  readonly flags: ReadonlySet<string>;
  /** Values of the `path` options, as absolute paths. */
  readonly paths: ReadonlyMap<string, readonly string[]>;
  /** Values of the `text` options. */
  readonly texts: ReadonlyMap<string, string>;
  readonly config: ServerConfig;
}

/** Runs a command and sets the exit status: the result of `run`, or 2 with a message when it throws. */
export async function runCommand(
  options: {
    /** Whether the command takes one FILE. */
    readonly takesFile: boolean;
    /**
     * Names of options. A `path` option takes a path and may be given several times; a `text` option takes any value.
     */
    readonly options: Readonly<Record<string, 'flag' | 'path' | 'text'>>;
  },
  run: (args: CommandArguments) => Promise<number>,
): Promise<void> {
  try {
    process.exitCode = await run(read(options));
  } catch (error) {
    process.exitCode = 2;
    if (error instanceof PlatformError) complain(error);
    else process.stderr.write(`trisiel: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  }
}

function read(options: Parameters<typeof runCommand>[0]): CommandArguments {
  const config: ParseArgsOptionsConfig = Object.fromEntries(
    Object.entries(options.options).map(([name, kind]) =>
      kind === 'flag'
        ? [name, { type: 'boolean' as const }]
        : [name, { type: 'string' as const, multiple: kind === 'path' }],
    ),
  );
  const parsed = parse(config);
  if (parsed.positionals.length !== (options.takesFile ? 1 : 0))
    throw new PlatformError('bad_request', options.takesFile ? 'name one FILE' : 'it takes no file', {
      hints: [usageHint],
    });
  const flags = new Set<string>();
  const paths = new Map<string, readonly string[]>();
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(parsed.values)) {
    if (Array.isArray(value))
      paths.set(
        name,
        value.map((path) => resolve(String(path))),
      );
    else if (typeof value === 'string') texts.set(name, value);
    else if (value === true) flags.add(name);
  }
  const [file] = parsed.positionals;
  return {
    file: file === undefined ? null : resolve(file),
    flags,
    paths,
    texts,
    config: readConfig(loadSettings(process.env).values),
  };
}

const usageHint = 'see trisiel --help';

function parse(options: ParseArgsOptionsConfig) {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new PlatformError('bad_request', messageOf(error), {
      hints: [usageHint],
    });
  }
}
