/**
 * `wasmcloud git-credential get|store|erase`: git's credential helper protocol (gitcredentials(7),
 * git-credential(1)). Loaded without commander, fetch or Ink, so that a push does not wait for it.
 */
import { isLoopback, type Session } from './config.ts';

/** Bytes of a request: a few short lines; git itself limits a line to 64 KiB. */
export const credentialInputBytesMax = 64 * 1024;

export interface CredentialAnswer {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Returns the answer to git's request. `input`: lines `key=value`. `get` answers only for the server that the Token was
 * made for; `quit=1` keeps git from prompting, where no password would be right. `store` and `erase` do nothing: only
 * login and logout change the config file.
 */
export function answerCredential(action: string, input: string, sessions: readonly Session[]): CredentialAnswer {
  if (action !== 'get') return { stdout: '', stderr: '' };
  const asked = parseDescription(input);
  const host = asked.get('host') ?? '';
  const session = sessions.find((candidate) => serves(candidate.server, asked.get('protocol') ?? '', host));
  if (session?.token) return { stdout: `username=wasmcloud\npassword=${session.token}\n`, stderr: '' };
  const server = session?.server ?? `${asked.get('protocol') ?? 'http'}://${host}`;
  return { stdout: 'quit=1\n', stderr: `wasmcloud: not logged in at ${server}\nhint: wasmcloud login\n` };
}

function parseDescription(input: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of input.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) fields.set(line.slice(0, equals), line.slice(equals + 1).replace(/\r$/, ''));
  }
  return fields;
}

function serves(server: string, protocol: string, host: string): boolean {
  const url = new URL(server);
  if (url.protocol !== `${protocol}:`) return false;
  if (url.host === host) return true;
  const asked = URL.parse(`${protocol}://${host}`);
  // localhost and 127.0.0.1 are the same machine, and people type either.
  return asked !== null && asked.port === url.port && isLoopback(asked.hostname) && isLoopback(url.hostname);
}
