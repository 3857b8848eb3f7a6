import { execFileSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';
import { completionCommands, completionScript } from '../../../ui-cli/commands/completion.ts';
import { readEnvironment } from '../../../ui-cli/environment.ts';
import { processOutput } from '../../../ui-cli/output.ts';
import { buildProgram } from '../../../ui-cli/program.ts';

let commands: ReturnType<typeof completionCommands>;
beforeAll(() => {
  const environment = readEnvironment({}, { stdinIsTty: false, stdoutIsTty: false });
  commands = completionCommands(buildProgram(environment, processOutput(environment)).program);
});

/** What bash would offer for a line. */
function completed(...words: readonly string[]): string[] {
  const script = `${completionScript('bash', commands)}
wasmcloud() { printf 'swift-otter\\nslow-otter\\n'; }
COMP_WORDS=(wasmcloud ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_wasmcloud
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

test('bash completes commands, options, handlers and shells', () => {
  expect(completed('deploy')).toEqual(['deployments']);
  expect(completed('logs', 'sw')).toEqual(['swift-otter']);
  expect(completed('logs', '--fol')).toEqual(['--follow']);
  expect(completed('list', '--j')).toEqual(['--json']);
  expect(completed('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(completed('env', 'swift-otter', 'u')).toEqual(['unset']);
});

test('what git calls and what completion calls is not offered', () => {
  const words = commands.map(({ word }) => word);
  expect(words).not.toContain('git-credential');
  expect(words).not.toContain('__handlers');
});

test('the scripts for zsh and fish name every command and quote what they describe', () => {
  for (const shell of ['zsh', 'fish'] as const) {
    const script = completionScript(shell, commands);
    for (const { word } of commands) expect(script).toContain(word);
    expect(script.split("'").length % 2).toBe(1);
  }
});
