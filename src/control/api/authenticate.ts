/** Finds the user of a request from its Authorization header only: without cookies there is no CSRF. */

import { PlatformError } from '../../protocol/errors.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { Caller } from './operation.ts';

/**
 * Returns the caller whose Bearer token (RFC 6750, 2.1) is in the header. Throws `unauthorized`, with what to do, and
 * `forbidden`.
 */
export async function authenticate(accounts: Accounts, authorization: string | undefined): Promise<Caller> {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new PlatformError('unauthorized', 'Log in first: wasmcloud login');
  const caller = await accounts.actorOfToken(token);
  if (caller === null)
    throw new PlatformError('unauthorized', 'this token is unknown or revoked; log in again: wasmcloud login');
  return caller;
}
