import { expect, it } from 'vitest';
import { addRemote } from '../../ui-cli/git-remote.ts';
import { temporaryFolder } from '../support/e2e.ts';

it.each(['', '-upload-pack', '.x', '/x', 'a b', 'a\n', 'a:b', 'ü', '--help'])(
  'no remote is called %j, and git is not asked',
  async (remote) => {
    const folder = await temporaryFolder();
    const options = { folder, remote, url: 'http://127.0.0.1:9/x.git', server: 'http://127.0.0.1:9', launcher: 'x' };
    await expect(addRemote(options)).rejects.toMatchObject({
      code: 'bad_request',
      message: `${JSON.stringify(remote)} cannot name a git remote`,
    });
    // One that could be: there is no repository.
    expect(await addRemote({ ...options, remote: 'cloud-1/a.b_c' })).toMatchObject({ kind: 'no-repository' });
  },
);
