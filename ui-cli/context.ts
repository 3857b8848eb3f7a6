/** Context of every command: its output, and the client of its server. */
import process from 'node:process';
import { PlatformError } from '../src/protocol/errors.ts';
import { Client } from './client/client.ts';
import { type Config, readConfig, resolveSession, type Session } from './config.ts';
import type { Environment } from './environment.ts';
import { exitCodes, loginNeeded, type Output } from './output.ts';

export interface GlobalOptions {
  readonly json: boolean;
  /** Value of --server. */
  readonly server: string | null;
}

export class Context {
  readonly environment: Environment;
  readonly out: Output;
  /** Exit status of the process when no error was thrown. */
  exitStatus = 0;
  /** Is called at Ctrl-C. */
  onInterrupt: () => void = () => process.exit(exitCodes.cancelled);
  readonly #options: () => GlobalOptions;

  constructor(environment: Environment, out: Output, options: () => GlobalOptions) {
    this.environment = environment;
    this.out = out;
    this.#options = options;
  }

  get json(): boolean {
    return this.#options().json;
  }

  config(): Promise<Config> {
    return readConfig(this.environment.configFile);
  }

  async session(): Promise<Session> {
    return resolveSession(this.environment, await this.config(), this.#options().server);
  }

  /** Returns the client of the logged-in user. Throws `unauthorized` (exit status 4) without a Token. */
  async client(): Promise<Client> {
    const session = await this.session();
    if (session.token === null) throw loginNeeded(session.server);
    return new Client(session);
  }

  /**
   * Returns the handler of a command: `given`, else the one that the repository in the current folder pushes to. Throws
   * `bad_request` when neither names one.
   */
  async handlerName(given: string | undefined): Promise<string> {
    if (given !== undefined) return given;
    const { handlerOfRepository } = await import('./git-handler.ts');
    return handlerOfRepository(process.cwd(), (await this.session()).server);
  }

  /** Prints a result: JSON with --json, else the lines. */
  result(value: unknown, lines: readonly string[]): void {
    if (this.json) this.out.json(value);
    else for (const line of lines) this.out.line(line);
  }

  /** Throws when no person can be asked, and says what to pass instead. */
  needTerminal(missing: string, hint: string): void {
    if (this.environment.interactive) return;
    throw new PlatformError('bad_request', `${missing}, and there is no terminal to ask at`, { hints: [hint] });
  }
}
