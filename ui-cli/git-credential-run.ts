import process from 'node:process';
import { PlatformError } from '../src/protocol/errors.ts';
import { typable } from './command-name.ts';
import { normalizeServer, readConfig, resolveSession, type Session } from './config.ts';
import type { Environment } from './environment.ts';
import { answerCredential, credentialInputBytesMax } from './git-credential.ts';

/** Reads git's request from stdin and answers on stdout. */
export async function runGitCredential(environment: Environment, action: string): Promise<void> {
  try {
    const config = await readConfig(environment.configFile);
    const current = resolveSession(environment, config);
    const others = Object.keys(config.accounts).map((server): Session => {
      const account = config.accounts[server];
      return {
        server: normalizeServer(server),
        token: account?.token ?? null,
        user: account?.user ?? null,
        tokenFrom: 'config',
      };
    });
    const answer = answerCredential(action, action === 'get' ? await readInput() : '', [current, ...others]);
    process.stderr.write(typable(answer.stderr, environment.command));
    process.stdout.write(answer.stdout);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const hints = error.hints.map((hint) => `hint: ${hint}\n`).join('');
    process.stderr.write(typable(`wasmcloud: ${error.message}\n${hints}`, environment.command));
    if (action === 'get') process.stdout.write('quit=1\n');
  }
}

async function readInput(): Promise<string> {
  process.stdin.setEncoding('utf8');
  let input = '';
  for await (const chunk of process.stdin) {
    input += chunk;
    // An empty line ends the request; git also closes the pipe.
    if (input.length > credentialInputBytesMax || input.includes('\n\n')) break;
  }
  return input;
}
