/** Right passwords at git's door are remembered for a while: of a bounded number of people. */
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { Access, type AccessOptions } from '../../../src/control/git/access.ts';
import { basic } from '../../support/git-requests.ts';

it('above a number the oldest is asked again', async () => {
  const asked: string[] = [];
  const accounts = {
    actorOfPassword: async ({ name }: { readonly name: string }) => {
      asked.push(name);
      return { actor: { user: { id: name, name } }, epoch: 1 };
    },
    isCurrent: async () => true,
  };
  const access = new Access({ accounts, now: () => 1, addressOf: () => '' } as unknown as AccessOptions);
  const enter = (name: string) =>
    access.authenticate({ headers: { authorization: basic('password', name) } } as unknown as IncomingMessage);
  for (let n = 0; n < 1_001; n += 1) await enter(`user-${n}`);
  expect(asked).toHaveLength(1_001);
  await enter('user-1');
  expect(asked).toHaveLength(1_001);
  await enter('user-0');
  expect(asked).toHaveLength(1_002);
});
