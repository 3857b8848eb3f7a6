/** Defines `wasmcloud run FILE [args]`. Large modules are imported when it runs. */
import { Command, type ErrorOptions, InvalidArgumentError, Option } from 'commander';
import {
  exactMemoryKey,
  type LimitName,
  type Limits,
  limitKeyOf,
  limitMeanings,
  limitNames,
  maximumLimits,
} from '../../src/protocol/limits.ts';
import { helpHint } from '../text/error-lines.ts';
import type { RunOptions } from './run-file.ts';

/** Part of the tool's context that the command needs. */
export interface RunContext {
  /** Exit status of the guest, or one of run's own (report.ts). */
  exitStatus: number;
  /** Is called at Ctrl-C. */
  onInterrupt: () => void;
  readonly environment: { readonly egressAllow?: readonly string[] };
}

/** Limits that options can set; bodyBytes is left out, since the platform bounds a request's body. */
const limitOptions = limitNames.filter((name) => name !== 'bodyBytes');

interface Words extends Partial<Limits> {
  readonly env?: ReadonlyMap<string, string>;
  readonly dir?: RunOptions['dirs'];
  readonly policy?: string;
  readonly request?: NonNullable<RunOptions['cgi']>;
  readonly cgi?: NonNullable<RunOptions['cgi']>;
  /** Port. */
  readonly serve?: number;
  readonly stats?: true;
  readonly json?: true;
  readonly trace?: true;
  readonly profile?: string;
  readonly files?: true;
  readonly exactMemory?: true;
  readonly snapshot?: true;
}

/** Adds the command. Options before FILE are the tool's, words after FILE the guest's. */
export function addRunCommand(program: Command, context: RunContext): void {
  const placeholder = program.commands.findIndex((command) => command.name() === 'run');
  if (placeholder >= 0) (program.commands as Command[]).splice(placeholder, 1); // the list is Commander's own

  program.enablePositionalOptions();
  const command = new RunCommand('run')
    .description('run a .wasm, .wat or .h file here, with the kernel and limits of the platform')
    .argument('<file>', 'module, in text format, or an h program')
    .argument('[args...]', "the guest's arguments")
    .passThroughOptions()
    .option('--env <K=V>', "a variable of the guest's environment (repeatable)", addVariable)
    .option('--dir <HOST::GUEST>', 'map a folder into the file system of a WASI guest (repeatable)', addDirectory)
    .option('--policy <file>', 'what may be opened: a .policy in Olin syntax, or a wasmcloud.toml')
    .addOption(
      new Option('--request <METHOD PATH>', 'a simulated request, its body from stdin').argParser(parseRequest),
    )
    .addOption(new Option('--cgi <METHOD PATH>', 'the same, by its earlier name').argParser(parseRequest).hideHelp())
    .addOption(new Option('--serve <port>', 'answer HTTP requests with a component, until Ctrl-C').argParser(parsePort))
    .option('--stats', 'what was used, on stderr after the end')
    .option('--json', 'the figures of --stats as one JSON object')
    .option('--trace', 'each system call with arguments and result, on stderr')
    .option('--profile <file>', 'which functions use the gas: a flame graph (.svg), or folded stacks')
    .option('--files', "list what the guest left in its file system's scratch, on stderr")
    .option(`--${exactMemoryKey}`, 'no reserve: an access beyond memory.size traps wherever it is')
    .option(
      '--snapshot',
      'run the start-up first, as a push with snapshot = true does, and the program from its snapshot',
    )
    .addHelpText('after', exitHelp);
  for (const name of limitOptions) command.addOption(limitOption(name));
  command.copyInheritedSettings(program).showHelpAfterError(helpHint('run'));
  program.addCommand(command);

  command.action(async (file: string, args: readonly string[], words: Words) => {
    const { runFile } = await import('./run-file.ts');
    const interrupt = new AbortController();
    context.onInterrupt = () => interrupt.abort();
    context.exitStatus = await runFile(file, {
      args,
      env: words.env ?? new Map(),
      dirs: words.dir ?? [],
      policyFile: words.policy ?? null,
      limits: Object.fromEntries(
        limitOptions.flatMap((name) => (words[name] === undefined ? [] : [[name, words[name]]])),
      ),
      exactMemory: words.exactMemory === true,
      snapshot: words.snapshot === true,
      cgi: words.request ?? words.cgi ?? null,
      serve: words.serve ?? null,
      stats:
        words.json === true || program.opts<{ json?: boolean }>().json === true ? 'json' : words.stats ? 'lines' : null,
      trace: words.trace === true,
      profileFile: words.profile ?? null,
      listFiles: words.files === true,
      egressAllow: context.environment.egressAllow ?? [],
      signal: interrupt.signal,
    });
  });
}

const exitHelp = `
Exit status: the guest's; 134 after a trap, 137 out of gas, 124 at the deadline, 255 when the policy
refused an open, 130 after Ctrl-C, 1 when the file could not be run at all.`;

/** Options that take the next word. */
const takesWord = new Set(['--env', '--dir', '--policy', '--serve', '--profile', ...limitOptions.map(limitFlag)]);

/** Lets `--request` take two words or one quoted word; commander supports options of one word only. */
class RunCommand extends Command {
  override parseOptions(argv: string[]): ReturnType<Command['parseOptions']> {
    return super.parseOptions(joinRequest(argv));
  }

  /** `--request GET /tmp/f.wasm` has taken the file for the path. */
  override error(message: string, options?: ErrorOptions): never {
    const { path } = this.opts<Words>().request ?? {};
    const isFileMissing = options?.code === 'commander.missingArgument' && path !== undefined;
    return super.error(isFileMissing ? `${message} (${path} is the path of --request)` : message, options);
  }
}

/** Joins `--request GET /x f.wasm` to `--request=GET /x f.wasm`, and `--request 'GET /x' f.wasm` likewise. */
function joinRequest(argv: readonly string[]): string[] {
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i] as string;
    if (word === '--' || !word.startsWith('-')) break;
    if (word === '--cgi' || word === '--request') {
      const [method = '', path = ''] = argv.slice(i + 1, i + 3);
      const [request, words] = method.includes(' ') ? [method.trim().replace(/ +/, ' '), 2] : [`${method} ${path}`, 3];
      return [...argv.slice(0, i), `${word}=${request}`, ...argv.slice(i + words)];
    }
    if (takesWord.has(word)) i += 1;
  }
  return [...argv];
}

function addVariable(word: string, before?: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const at = word.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected NAME=VALUE');
  return new Map([...(before ?? []), [word.slice(0, at), word.slice(at + 1)]]);
}

/** Parses `HOST::GUEST`, or one path for both. */
function addDirectory(word: string, before?: RunOptions['dirs']): RunOptions['dirs'] {
  const [host = '', guest = host, ...rest] = word.split('::');
  if (host === '' || guest === '' || rest.length > 0) throw new InvalidArgumentError('expected HOST::GUEST');
  return [...(before ?? []), { host, guest }];
}

/**
 * Returns the option of a limit, `--memory-pages`: named as in a manifest, so that commander's property has the limit's
 * name.
 */
function limitFlag(name: LimitName): string {
  return `--${limitKeyOf(name)}`;
}

function limitOption(name: LimitName): Option {
  return new Option(`${limitFlag(name)} <n>`, limitMeanings[name]).argParser(
    wholeNumber(limitKeyOf(name), maximumLimits[name]),
  );
}

function wholeNumber(name: string, max: number): (word: string) => number {
  return (word) => {
    const value = /^[\d_]+$/.test(word) ? Number(word.replaceAll('_', '')) : Number.NaN;
    if (!(value >= 1 && value <= max)) throw new InvalidArgumentError(`${name} is a whole number from 1 to ${max}`);
    return value;
  };
}

function parsePort(word: string): number {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : Number.NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError('expected a port, 0 for any free one');
  return port;
}

function parseRequest(words: string): NonNullable<RunOptions['cgi']> {
  const [, method, path] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\/\S*)$/.exec(words) ?? [];
  if (method === undefined || path === undefined)
    throw new InvalidArgumentError('expected a method and a path, for example GET /hello?name=world');
  return { method, path };
}
