/** Defines the commands, and turns every error into text and an exit status. */
import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { PlatformError } from '../src/protocol/errors.ts';
import { typable } from './command-name.ts';
import { addAccessCommands } from './commands/access.ts';
import { addAccountCommands } from './commands/account.ts';
import { handlerArgument } from './commands/arguments.ts';
import { addAuditCommand } from './commands/audit.ts';
import { addCallsCommand } from './commands/calls.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addDeploymentCommands } from './commands/deployments.ts';
import { addDomainCommand } from './commands/domains.ts';
import { addDrainCommands } from './commands/drains.ts';
import { addEnvironmentCommands } from './commands/environment.ts';
import { addHandlerCommands } from './commands/handlers.ts';
import { addInspectCommand } from './commands/inspect.ts';
import { addInvocationCommands } from './commands/invocations.ts';
import { addInvokeCommand } from './commands/invoke.ts';
import { addLogCommands } from './commands/logs.ts';
import { addNewCommand } from './commands/new.ts';
import { addNodesCommand } from './commands/nodes.ts';
import { addProfileCommand } from './commands/profile.ts';
import { addQueueCommand } from './commands/queue.ts';
import { addQuotaCommand } from './commands/quota.ts';
import { addReleaseCommand } from './commands/release.ts';
import { addScheduleCommands } from './commands/schedules.ts';
import { addSecurityCommand } from './commands/security.ts';
import { addSettingsCommands } from './commands/settings.ts';
import { addTeamCommands, addUserCommand } from './commands/teams.ts';
import { Context } from './context.ts';
import type { Environment } from './environment.ts';
import { refuseOptionsAsValues } from './option-values.ts';
import { Cancelled, exitCodeOf, exitCodes, type Output, processOutput } from './output.ts';
import { tabNames } from './screens/handler/tab.ts';
import { errorJson, errorLines, helpHint } from './text/error-lines.ts';

declare const WASMCLOUD_VERSION: string | undefined;

/** Runs one command; resolves to the exit status. */
export async function runCommandLine(
  environment: Environment,
  words: readonly string[],
  out: Output = processOutput(environment),
): Promise<number> {
  const { program, context } = buildProgram(environment, out);
  const interrupt = () => context.onInterrupt();
  process.on('SIGINT', interrupt);
  try {
    if (wantsRun(words)) await addRun(program, context);
    // Options without a command open the first screen, or print its plain text.
    const { operands, unknown } = program.parseOptions([...words]);
    if (operands.length === 0 && unknown.length === 0) {
      if (environment.interactive && !context.json) await openInterface(context, []);
      else await program.parseAsync([...words, 'list'], { from: 'user' });
    } else {
      await program.parseAsync(words, { from: 'user' });
    }
    return context.exitStatus;
  } catch (error) {
    return explain(context, error);
  } finally {
    process.off('SIGINT', interrupt);
  }
}

const hyphenHint = 'hint: an argument that begins with - goes after --';

/** Makes the program with all its commands but `run`, which loads the kernel. Reads nothing of the process. */
export function buildProgram(environment: Environment, out: Output): { program: Command; context: Context } {
  const program = new Command('wasmcloud');
  const context = new Context(environment, out, () => {
    const { json, server } = program.opts<{ json?: boolean; server?: string }>();
    return { json: json === true, server: server ?? null };
  });
  program
    .description('Push a repository with a .wasm, get a URL. Without a command: the terminal interface.')
    .version(
      typeof WASMCLOUD_VERSION === 'string' ? WASMCLOUD_VERSION : '0.0.0-dev',
      '-V, --version',
      'print the version',
    )
    .option('--json', 'print the result as JSON')
    .option('--server <url>', 'talk to this server (else WASMCLOUD_SERVER, else where you logged in)')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => out.line(typable(text.trimEnd(), environment.command)),
      writeErr: (text) => out.note(text.trimEnd()),
      outputError: (text, write) => write(text + (/^error: unknown option/.test(text) ? `${hyphenHint}\n` : '')),
    })
    .showSuggestionAfterError(true)
    .showHelpAfterError('hint: wasmcloud help lists the commands')
    .exitOverride()
    .addHelpText('after', helpFooter);

  program.commandsGroup('Account:');
  addAccountCommands(program, context);
  addAccessCommands(program, context);
  addSecurityCommand(program, context);
  addSettingsCommands(program, context);
  addTeamCommands(program, context);
  addUserCommand(program, context);
  addNodesCommand(program, context);
  addQuotaCommand(program, context);
  program.commandsGroup('Handlers:');
  addHandlerCommands(program, context);
  addDeploymentCommands(program, context);
  addReleaseCommand(program, context);
  addLogCommands(program, context);
  addInvocationCommands(program, context);
  addAuditCommand(program, context);
  addProfileCommand(program, context);
  addDrainCommands(program, context);
  addEnvironmentCommands(program, context);
  addDomainCommand(program, context);
  addQueueCommand(program, context);
  addScheduleCommands(program, context);
  addCallsCommand(program, context);
  addInvokeCommand(program, context);
  program.commandsGroup('Tools:');
  program
    .command('run')
    .description('run a .wasm, .wat or .h file here, with the kernel and limits of the platform')
    .argument('<file>')
    .argument('[args...]');
  addInspectCommand(program, context);
  addNewCommand(program, context);
  program
    .command('ui')
    .description('open the terminal interface, at a handler if named')
    .argument('[name]', handlerArgument)
    .argument('[tab]', tabNames.join(', '))
    .action(async (...path: (string | undefined)[]) => {
      if (!environment.interactive) {
        throw new PlatformError('bad_request', 'the terminal interface needs a terminal', {
          hints: ['every screen is a command too: wasmcloud help'],
        });
      }
      await openInterface(
        context,
        path.slice(0, 2).filter((word) => typeof word === 'string'),
      );
    });
  program
    .command('docs')
    .description('print the functions that guests can import, and the address of the book')
    .action(async () => {
      const { Client } = await import('./client/client.ts');
      const session = await context.session();
      const text = await new Client(session).imports();
      context.result({ imports: text }, [text.trimEnd()]);
      context.out.note(`the book: ${session.server}/docs`);
    });
  addCompletionCommand(program, context);
  program
    .command('git-credential', { hidden: true })
    .description('answers git, which login has told to ask here')
    .argument('<action>', 'get, store or erase');
  for (const command of program.commands) command.showHelpAfterError(helpHint(command.name()));
  refuseOptionsAsValues(program);
  return { program, context };
}

const helpFooter = `
First steps:
  wasmcloud signup            create an account (npm start prints the code for the first one)
  wasmcloud create            in your repository: a name, a URL and the git remote
  git push wasmcloud main     deploy

Environment: WASMCLOUD_SERVER, WASMCLOUD_TOKEN, NO_COLOR
Exit status: 0 ok, 1 error, 2 cancelled, 4 login needed`;

async function openInterface(context: Context, path: readonly string[]): Promise<void> {
  const { openTerminalInterface } = await import('./terminal.tsx');
  context.exitStatus = await openTerminalInterface(context, path);
}

/** Returns whether the words are `run …` or `help run`, also after options of the tool itself. */
function wantsRun(words: readonly string[]): boolean {
  let at = 0;
  while (words[at]?.startsWith('-')) at += words[at] === '--server' ? 2 : 1;
  return words[at] === 'run' || (words[at] === 'help' && words[at + 1] === 'run');
}

/**
 * Adds the command `run`, which loads the kernel. Its arguments are the guest's, so the tool's own end at the file's
 * name.
 */
async function addRun(program: Command, context: Context): Promise<void> {
  const { addRunCommand } = await import('./run/command.ts');
  addRunCommand(program, context);
}

/** Prints an error and returns the exit status; every error of a command ends here. */
function explain(context: Context, error: unknown): number {
  const { out } = context;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.error;
  if (error instanceof Cancelled) {
    out.note(error.message);
    return exitCodeOf(error);
  }
  if (error instanceof PlatformError) {
    if (context.json) out.note(JSON.stringify(errorJson(error)));
    else for (const line of errorLines(error)) out.note(line);
    return exitCodeOf(error);
  }
  // For a mistake in this program the stack helps to repair it.
  out.note(
    `error: wasmcloud failed unexpectedly\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  return exitCodes.error;
}
