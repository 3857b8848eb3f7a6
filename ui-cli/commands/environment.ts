/** Command env: variables of a handler. Values are secrets: they are never in argv and never shown. */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { askSecret, readSecret } from '../prompt.ts';
import { variableTable } from '../text/variable.ts';
import { visible } from '../text/visible.ts';
import { handlerArgument } from './arguments.ts';

interface EnvOptions {
  readonly empty?: boolean;
  readonly branch?: string;
}

export function addEnvironmentCommands(program: Command, context: Context): void {
  program
    .command('env')
    .description('list, set or unset the variables of a handler')
    .usage('[name] [set KEY | unset KEY]')
    .argument('[name]', handlerArgument)
    .argument('[action]', 'set or unset')
    .argument('[key]', 'name of the variable')
    .option('--empty', 'let set store an empty value')
    .option('-b, --branch <branch>', "variables of this branch's preview, laid over the handler's")
    .addHelpText(
      'after',
      '\nThe value is asked for, or read from standard input:\n  wasmcloud env swift-otter set API_KEY < key.txt',
    )
    .action(
      async (first: string | undefined, second: string | undefined, third: string | undefined, options: EnvOptions) => {
        // In a repository the handler may be left out: `env set KEY`.
        const named = third !== undefined || (first !== 'set' && first !== 'unset');
        const [given, action, key] = named ? [first, second, third] : [undefined, first, second];
        const name = await context.handlerName(given);
        const branch = options.branch ?? null;
        if (action === undefined) return list(context, name, branch);
        if (action !== 'set' && action !== 'unset') {
          throw new PlatformError('bad_request', `env knows set and unset, not ${JSON.stringify(action)}`);
        }
        if (key === undefined) {
          throw new PlatformError('bad_request', `which variable? wasmcloud env ${name} ${action} KEY`);
        }
        return action === 'set'
          ? set(context, name, { key, empty: options.empty === true, branch })
          : unset(context, name, { key, branch });
      },
    );
}

async function list(context: Context, name: string, branch: string | null): Promise<void> {
  const variables = await (await context.client()).variables(name, { branch });
  if (context.json) context.out.json(variables);
  else if (variables.length > 0) for (const line of variableTable(variables, Date.now())) context.out.line(line);
  else
    context.out.note(
      `no variables\nhint: wasmcloud env ${name}${branch === null ? '' : ` --branch ${branch}`} set KEY`,
    );
}

async function set(
  context: Context,
  name: string,
  { key, empty, branch }: { readonly key: string; readonly empty: boolean; readonly branch: string | null },
): Promise<void> {
  if (key.includes('=')) {
    throw new PlatformError('bad_request', 'a value on the command line ends up in the shell history and in ps', {
      hints: [`give it on standard input: wasmcloud env ${name} set ${key.slice(0, key.indexOf('='))}`],
    });
  }
  const client = await context.client();
  const value = empty ? '' : await readValue(context, key);
  if (value === '' && !empty) {
    throw new PlatformError('bad_request', `${key} got an empty value; nothing was set`, {
      hints: [`if it is to be empty: wasmcloud env ${name} set ${key} --empty`],
    });
  }
  await client.setVariable(name, { key, value, branch });
  context.result({ name, key, set: true }, [`set ${key} for ${of(name, branch)}`]);
}

function readValue({ environment }: Context, key: string): Promise<string> {
  return environment.interactive ? askSecret(`${key}: `, { multiline: true }) : readSecret();
}

async function unset(
  context: Context,
  name: string,
  { key, branch }: { readonly key: string; readonly branch: string | null },
): Promise<void> {
  await (await context.client()).unsetVariable(name, key, { branch });
  context.result({ name, key, set: false }, [`unset ${key} for ${of(name, branch)}`]);
}

function of(name: string, branch: string | null): string {
  return branch === null ? name : `the preview of ${visible(branch)} of ${name}`;
}
