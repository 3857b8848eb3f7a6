/** Command completion: writes scripts for bash, zsh and fish, made from the existing commands. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Context } from '../context.ts';
import { handlerArgument } from './arguments.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

export interface CompletionWord {
  readonly word: string;
  readonly help: string;
}

export interface CompletionCommand extends CompletionWord {
  readonly options: readonly CompletionWord[];
  /** Whether its first argument is a handler. */
  readonly takesHandler: boolean;
}

export function addCompletionCommand(program: Command, context: Context): void {
  program
    .command('completion')
    .description('print a completion script for your shell')
    .argument('<shell>', 'bash, zsh or fish', parseShell)
    .addHelpText(
      'after',
      `
bash: echo 'source <(wasmcloud completion bash)' >> ~/.bashrc
zsh:  echo 'source <(wasmcloud completion zsh)' >> ~/.zshrc
fish: wasmcloud completion fish > ~/.config/fish/completions/wasmcloud.fish`,
    )
    .action((shell: Shell) => {
      context.out.line(completionScript(shell, completionCommands(program)));
    });

  // The scripts call this at every Tab: on failure it prints nothing, and it does not wait long.
  program.command('__handlers', { hidden: true }).action(async () => {
    try {
      const client = await context.client();
      for (const { name } of await client.handlers({}, { signal: AbortSignal.timeout(1000) })) context.out.line(name);
    } catch {
      // Without an answer no names are offered.
    }
  });
}

export function completionCommands(program: Command): CompletionCommand[] {
  const everywhere = program.options.map((option) => ({ word: option.long ?? option.flags, help: option.description }));
  return program.commands
    .filter((command) => !command.name().startsWith('__') && command.name() !== 'git-credential')
    .map((command) => ({
      word: command.name(),
      help: command.description(),
      takesHandler: command.registeredArguments[0]?.description === handlerArgument,
      options: [
        ...command.options.map((option) => ({ word: option.long ?? option.flags, help: option.description })),
        ...everywhere,
      ],
    }));
}

export function completionScript(shell: Shell, commands: readonly CompletionCommand[]): string {
  if (shell === 'bash') return bash(commands);
  return shell === 'zsh' ? zsh(commands) : fish(commands);
}

function bash(commands: readonly CompletionCommand[]): string {
  const cases = commands.map(
    ({ word, options }) => `    ${word}) options="${options.map((o) => o.word).join(' ')}" ;;`,
  );
  return `# bash completion for wasmcloud
_wasmcloud() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" options=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ word }) => word).join(' ')} help" -- "$current"))
    return
  fi
  case "$command" in
${cases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  case "$command:$COMP_CWORD" in
    ${handlerCommands(commands)
      .map((word) => `${word}:2`)
      .join('|')}) COMPREPLY=($(compgen -W "$(wasmcloud __handlers 2>/dev/null)" -- "$current")) ;;
    completion:2) COMPREPLY=($(compgen -W "${shells.join(' ')}" -- "$current")) ;;
    env:3) COMPREPLY=($(compgen -W "set unset" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -F _wasmcloud wasmcloud`;
}

function zsh(commands: readonly CompletionCommand[]): string {
  const described = commands.map(({ word, help }) => `    ${quote(`${word}:${help.replaceAll(':', '\\:')}`)}`);
  const cases = commands.map(({ word, options }) => {
    const specs = options.map(
      (option) => `      ${quote(`${option.word.replaceAll(':', '\\:')}:${option.help.replaceAll(':', '\\:')}`)}`,
    );
    return `    ${word}) options=(\n${specs.join('\n')}\n    ) ;;`;
  });
  return `#compdef wasmcloud
# zsh completion for wasmcloud
_wasmcloud() {
  local -a commands options
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "$words[2]" in
${cases.join('\n')}
  esac
  if [[ "$words[CURRENT]" == -* ]]; then
    _describe option options
    return
  fi
  case "$words[2]:$CURRENT" in
    ${handlerCommands(commands)
      .map((word) => `${word}:3`)
      .join('|')}) compadd -- \${(f)"$(wasmcloud __handlers 2>/dev/null)"} ;;
    completion:3) compadd ${shells.join(' ')} ;;
    env:4) compadd set unset ;;
    *) _files ;;
  esac
}
compdef _wasmcloud wasmcloud`;
}

function fish(commands: readonly CompletionCommand[]): string {
  const lines = ['# fish completion for wasmcloud', 'complete -c wasmcloud -f'];
  for (const { word, help, options } of commands) {
    lines.push(`complete -c wasmcloud -n __fish_use_subcommand -a ${word} -d ${quote(help)}`);
    for (const option of options) {
      lines.push(
        `complete -c wasmcloud -n '__fish_seen_subcommand_from ${word}' -l ${option.word.replace(/^--/, '')} -d ${quote(option.help)}`,
      );
    }
  }
  const third = 'test (count (commandline -opc)) -eq 2';
  lines.push(
    `complete -c wasmcloud -n '__fish_seen_subcommand_from ${handlerCommands(commands).join(' ')}; and ${third}' -a '(wasmcloud __handlers 2>/dev/null)'`,
    `complete -c wasmcloud -n '__fish_seen_subcommand_from completion; and ${third}' -a '${shells.join(' ')}'`,
    `complete -c wasmcloud -n '__fish_seen_subcommand_from run' -F`,
  );
  return lines.join('\n');
}

function handlerCommands(commands: readonly CompletionCommand[]): string[] {
  return commands.filter(({ takesHandler }) => takesHandler).map(({ word }) => word);
}

/** Quotes a word for sh, zsh and fish. */
function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", '’')}'`;
}

function parseShell(text: string): Shell {
  const shell = shells.find((candidate) => candidate === text);
  if (shell === undefined) throw new InvalidArgumentError('It must be bash, zsh or fish.');
  return shell;
}
