/**
 * Every operation of the API, called by everybody: each role with each scope of Token, Tokens bound to this handler and
 * to another one, a stranger, an administrator, a suspended user, nobody. What each may do is written down here a
 * second time, by hand, so that a slip in the table of the platform shows.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { apiOperations } from '../../../src/control/api/api.ts';
import type { Operation } from '../../../src/control/api/operation.ts';
import type { TokenScope } from '../../../src/protocol/nouns.ts';
import { type OperationId, permissions } from '../../../src/protocol/permissions.ts';
import { api, openStream, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { beforeAttempts } from '../../support/attempts.ts';

let platform: Platform;
/** Who -> Token. */
const tokens = new Map<string, string>();

const scopes: readonly TokenScope[] = ['full', 'deploy', 'read'];
const people = ['owner', 'deployer', 'viewer', 'stranger', 'admin', 'suspended'] as const;

beforeAttempts(
  async () => {
    platform = await startPlatform();
    const { accounts, handlers, teams } = platform;
    // The first account is the administrator.
    for (const name of ['admin', 'owner', 'deployer', 'viewer', 'stranger', 'suspended'])
      tokens.set(`${name} full`, await signUp(platform, name));
    const id = async (name: string) => (await accounts.actorOfToken(tokens.get(`${name} full`)!))!.user.id;
    const otter = await handlers.create({ name: 'otter', ownerId: await id('owner') });
    const other = await handlers.create({ name: 'other', ownerId: await id('owner') });
    await teams.set(otter, 'deployer', 'deployer');
    await teams.set(otter, 'viewer', 'viewer');
    await teams.set(otter, 'suspended', 'deployer');
    for (const name of people) {
      const userId = await id(name);
      for (const scope of ['deploy', 'read'] as const)
        tokens.set(`${name} ${scope}`, (await accounts.createToken(userId, { label: scope, scope })).token);
    }
    const owner = await id('owner');
    for (const [name, handler] of [
      ['here', otter],
      ['elsewhere', other],
    ] as const)
      for (const scope of ['deploy', 'read'] as const)
        tokens.set(
          `owner ${scope} ${name}`,
          (await accounts.createToken(owner, { label: name, scope, handler })).token,
        );
    await accounts.users.change('suspended', { suspended: true });
  },
  () => platform.close(),
);

afterAll(() => platform.close());

/** Least role and scope of each operation on a handler. */
const onHandler: Readonly<Record<string, readonly [role: string, scope: TokenScope]>> = {
  getHandler: ['viewer', 'read'],
  listDeployments: ['viewer', 'read'],
  queryLogs: ['viewer', 'read'],
  exportLogs: ['viewer', 'read'],
  streamLogs: ['viewer', 'read'],
  getLogRetention: ['viewer', 'read'],
  listInvocations: ['viewer', 'read'],
  getInvocation: ['viewer', 'read'],
  exportInvocations: ['viewer', 'read'],
  getUsage: ['viewer', 'read'],
  listVariables: ['viewer', 'read'],
  listPreviews: ['viewer', 'read'],
  getPreview: ['viewer', 'read'],
  getRollout: ['viewer', 'read'],
  getVariable: ['viewer', 'read'],
  listCollaborators: ['viewer', 'read'],
  getCollaborator: ['viewer', 'read'],
  getTransfer: ['viewer', 'read'],
  leaveHandler: ['viewer', 'full'],
  listDomains: ['viewer', 'read'],
  getDomain: ['viewer', 'read'],
  checkDomain: ['deployer', 'deploy'],
  addDomain: ['owner', 'full'],
  removeDomain: ['owner', 'full'],
  listCalls: ['viewer', 'read'],
  listDrains: ['viewer', 'read'],
  listSchedules: ['viewer', 'read'],
  rollBack: ['deployer', 'deploy'],
  deletePreview: ['deployer', 'deploy'],
  takeProfile: ['deployer', 'deploy'],
  putRollout: ['deployer', 'deploy'],
  finishRollout: ['deployer', 'deploy'],
  abortRollout: ['deployer', 'deploy'],
  cancelInvocation: ['deployer', 'deploy'],
  cancelCall: ['deployer', 'deploy'],
  retryCall: ['deployer', 'deploy'],
  runSchedule: ['deployer', 'deploy'],
  pauseSchedule: ['deployer', 'deploy'],
  resumeSchedule: ['deployer', 'deploy'],
  setVariable: ['deployer', 'deploy'],
  removeVariable: ['deployer', 'deploy'],
  listHandlerAudit: ['owner', 'read'],
  exportHandlerAudit: ['owner', 'read'],
  changeHandler: ['owner', 'full'],
  setLogRetention: ['owner', 'full'],
  putDrain: ['owner', 'full'],
  deleteDrain: ['owner', 'full'],
  deleteHandler: ['owner', 'full'],
  restoreHandler: ['owner', 'full'],
  setCollaborator: ['owner', 'full'],
  removeCollaborator: ['owner', 'full'],
  offerTransfer: ['owner', 'full'],
  withdrawTransfer: ['owner', 'full'],
};

/** Least scope of each operation on the own account, and whether a Token bound to one handler will do. */
const onAccount: Readonly<Record<string, readonly [scope: TokenScope, bound: boolean]>> = {
  whoAmI: ['read', true],
  logOut: ['read', true],
  listHandlers: ['read', true],
  listUsage: ['read', false],
  listQueues: ['read', false],
  showQueue: ['read', false],
  readQueue: ['read', false],
  exportQueue: ['read', false],
  publish: ['deploy', false],
  putQueue: ['full', false],
  pauseQueue: ['full', false],
  resumeQueue: ['full', false],
  retryQueue: ['full', false],
  purgeQueue: ['full', false],
  deleteQueue: ['full', false],
  listTransfers: ['read', false],
  createHandler: ['deploy', false],
  changePassword: ['full', false],
  startSecondFactor: ['full', false],
  confirmSecondFactor: ['full', false],
  removeSecondFactor: ['full', false],
  listTokens: ['full', false],
  createToken: ['full', false],
  revokeToken: ['full', false],
  listInvites: ['full', false],
  createInvite: ['full', false],
  deleteInvite: ['full', false],
  acceptTransfer: ['full', false],
  declineTransfer: ['full', false],
};

/** Least scope of each operation for administrators. */
const onPlatform: Readonly<Record<string, TokenScope>> = {
  listServerDrains: 'full',
  putServerDrain: 'full',
  deleteServerDrain: 'full',
  listUsers: 'full',
  getUser: 'full',
  changeUser: 'full',
  deleteUser: 'full',
  listNodes: 'read',
  addNode: 'full',
  drainNode: 'full',
  removeNode: 'full',
  listAudit: 'read',
  exportAudit: 'read',
};
const open: readonly string[] = ['signUp', 'logIn'];
/** They are no requests to the API; test/control/git/access.test.ts has them. */
const ofGit: readonly string[] = ['gitCreate', 'gitFetch', 'gitPush'];

/** A body that an operation takes. */
const bodies: Readonly<Record<string, unknown>> = {
  changeHandler: { deployBranch: 'main' },
  putDrain: { kind: 'webhook', url: 'https://example.com/' },
  putServerDrain: { kind: 'webhook', url: 'https://example.com/' },
  setVariable: { value: 'x' },
  takeProfile: { seconds: 1 },
  rollBack: { number: 1 },
  putRollout: { number: 1, percent: 10 },
  setCollaborator: { role: 'viewer' },
  offerTransfer: { to: 'stranger' },
  addDomain: { domain: 'api.example.com' },
  createToken: { label: 'x' },
  createHandler: {},
  addNode: { name: 'eu-1' },
  changePassword: { current: 'wrong password', next: 'correct horse', endSessions: false },
  confirmSecondFactor: { code: '123456' },
  removeSecondFactor: { code: '123456' },
};

function pathOf({ path }: Operation): string {
  return path
    .replace('{name}', 'otter')
    .replace('{queue}', 'jobs')
    .replaceAll(/\{\w+\}/g, 'nobody');
}

type Outcome = 'allowed' | 'forbidden' | 'hidden' | 'unauthorized';

/** What an answer says about permission; a 404 of the thing itself is no refusal. */
async function outcome(operation: Operation, token: string | null): Promise<Outcome> {
  const { status, body } = await api(platform, token, operation.method, pathOf(operation), bodies[operation.id]);
  if (status === 403) return 'forbidden';
  if (status === 404 && /^you have no handler/.test(body.detail)) return 'hidden';
  // A wrong password in a body is answered so too.
  if (status === 401 && body.detail !== 'wrong name or password') return 'unauthorized';
  return 'allowed';
}

/** Undoes what an operation that was allowed has changed. */
async function settle(): Promise<void> {
  const { handlers, teams } = platform;
  const otter = await handlers.findById(
    (await platform.db.selectFrom('handlers').select('id').where('name', '=', 'otter').executeTakeFirstOrThrow()).id,
  );
  if (otter!.deletedMs !== null) await handlers.restore('otter', otter!.ownerId);
  await teams.set(otter!, 'deployer', 'deployer');
  await teams.set(otter!, 'viewer', 'viewer');
  await platform.db.updateTable('tokens').set({ revoked_ms: null }).execute();
  await platform.db.deleteFrom('tokens').where('label', '=', 'x').execute();
  await platform.db.deleteFrom('invites').execute();
  await platform.db.updateTable('users').set({ totp_sealed: null }).execute();
  await platform.db.deleteFrom('handlers').where('name', 'not in', ['otter', 'other']).execute();
  // Limits of attempts are not what is looked at here.
  platform.clock.ms += 3_600_000;
}

const rank = (order: readonly string[], word: string) => order.indexOf(word);
const atLeast = (order: readonly string[], has: string, needs: string) => rank(order, has) >= rank(order, needs);
const scopeOrder = ['read', 'deploy', 'full'];
const roleOrder = ['viewer', 'deployer', 'owner'];

function expected(id: OperationId, who: string): Outcome {
  const [person = '', scope = '', bound] = who.split(' ');
  if (person === 'suspended') return 'forbidden';
  const rule = onHandler[id];
  if (rule !== undefined) {
    if (!roleOrder.includes(person) || bound === 'elsewhere') return 'hidden';
    return atLeast(roleOrder, person, rule[0]) && atLeast(scopeOrder, scope, rule[1]) ? 'allowed' : 'forbidden';
  }
  const own = onAccount[id];
  if (own !== undefined)
    return atLeast(scopeOrder, scope, own[0]) && (bound === undefined || own[1]) ? 'allowed' : 'forbidden';
  const platformScope = onPlatform[id];
  if (platformScope !== undefined)
    return person === 'admin' && atLeast(scopeOrder, scope, platformScope) ? 'allowed' : 'forbidden';
  return 'allowed';
}

test('the table of this test names every operation of the platform', () => {
  const named = [...Object.keys(onHandler), ...Object.keys(onAccount), ...Object.keys(onPlatform), ...open, ...ofGit];
  expect(named.sort()).toEqual(Object.keys(permissions).sort());
  const served = apiOperations(platform).map(({ id }) => id as string);
  expect([...served, ...ofGit].sort()).toEqual(Object.keys(permissions).sort());
});

describe('every operation', () => {
  test('does for each role and scope what the table says, and nothing for others', async () => {
    const wrong: string[] = [];
    let asked = 0;
    for (const operation of apiOperations(platform)) {
      if (open.includes(operation.id)) continue;
      for (const [who, token] of tokens) {
        const got = await outcome(operation, token);
        asked += 1;
        const should = expected(operation.id, who);
        if (got !== should) wrong.push(`${operation.id} by ${who}: ${got}, should be ${should}`);
        if (got === 'allowed') await settle();
      }
      const stranger = await outcome(operation, null);
      if (stranger !== 'unauthorized') wrong.push(`${operation.id} by nobody: ${stranger}`);
    }
    expect(wrong).toEqual([]);
    expect(asked).toBe((apiOperations(platform).length - open.length) * tokens.size);
    expect(tokens.size).toBe(people.length * scopes.length + 4);
  });

  test('leaves a handler of a suspended owner readable for its team, and nothing more', async () => {
    await platform.accounts.users.change('owner', { suspended: true });
    try {
      for (const operation of apiOperations(platform)) {
        const rule = onHandler[operation.id];
        if (rule === undefined) continue;
        const should = rule[1] === 'read' && rule[0] !== 'owner' ? 'allowed' : 'forbidden';
        expect(await outcome(operation, tokens.get('deployer full')!), operation.id).toBe(should);
      }
    } finally {
      await platform.accounts.users.change('owner', { suspended: false });
      await settle();
    }
  });
});

describe('the log stream', () => {
  const path = '/handlers/otter/logs/stream';

  test('opens for the team with any scope, and for nobody else', async () => {
    for (const [who, token] of tokens) {
      const should = expected('streamLogs', who);
      const opened = openStream(platform, token, path);
      if (should === 'allowed') (await opened).socket.close();
      else await expect(opened, who).rejects.toMatchObject({ status: should === 'hidden' ? 404 : 403 });
    }
  });

  test('ends with the role and with a suspension', async () => {
    const { accounts, teams, handlers } = platform;
    const otter = (await handlers.find('otter'))!;
    const viewer = await openStream(platform, tokens.get('viewer read')!, path);
    await teams.remove(otter.id, 'viewer');
    expect(await viewer.closed).toMatchObject({ code: 4403 });
    const deployer = await openStream(platform, tokens.get('deployer read')!, path);
    await accounts.users.change('deployer', { suspended: true });
    expect(await deployer.closed).toMatchObject({ code: 4403 });
    await accounts.users.change('deployer', { suspended: false });
    await settle();
  });
});

test('a log stream ends with the life of its Token', async () => {
  const quick = await startPlatform({ limits: { recheckMs: 20 } });
  const full = await signUp(quick, 'ada');
  const { user } = (await quick.accounts.actorOfToken(full))!;
  await quick.handlers.create({ name: 'otter', ownerId: user.id });
  const { token } = await quick.accounts.createToken(user.id, { label: 'x', lifeMs: 3_600_000 });
  const stream = await openStream(quick, token, '/handlers/otter/logs/stream');
  quick.clock.ms += 3_600_000;
  expect(await stream.closed).toMatchObject({ code: 4401 });
  await quick.close();
});

test('a handler bound Token lists its handler alone', async () => {
  const names = async (who: string) =>
    (await api(platform, tokens.get(who)!, 'GET', '/handlers')).body.handlers.map(
      ({ name, role }: { name: string; role: string }) => `${name} ${role}`,
    );
  expect(await names('owner read here')).toEqual(['otter owner']);
  expect(await names('owner read')).toEqual(['other owner', 'otter owner']);
  expect(await names('deployer full')).toEqual(['otter deployer']);
  expect(await names('stranger full')).toEqual([]);
});

test('a Token cannot make one that may do more, nor one for a handler of somebody else', async () => {
  const make = async (who: string, body: object) =>
    (await api(platform, tokens.get(who)!, 'POST', '/tokens', { label: 'x', ...body })).status;
  expect(await make('owner deploy', { scope: 'deploy' })).toBe(403);
  expect(await make('owner read here', { scope: 'read' })).toBe(403);
  expect(await make('stranger full', { scope: 'deploy', handler: 'otter' })).toBe(404);
  expect(await make('viewer full', { scope: 'deploy', handler: 'otter' })).toBe(201);
  for (const body of [
    { scope: 'admin' },
    { scope: 'full', handler: 'otter' },
    { expiresInDays: 0 },
    { expiresInDays: 1.5 },
    { expiresInDays: 1e9 },
    { handler: 5 },
    { extra: 1 },
    { label: '' },
    { label: ' \t\u00a0' },
    { label: 'x'.repeat(81) },
  ])
    expect(await make('owner full', body), JSON.stringify(body)).toBe(400);
});

test('a handler changes its owner over the API, and its stores count for the new one', async () => {
  const { db } = platform;
  const owner = tokens.get('owner full')!;
  const stranger = tokens.get('stranger full')!;
  platform.asked.length = 0;
  const { id } = (await platform.handlers.find('other'))!;
  await db.insertInto('stored_bytes').values({ handler_id: id, kind: 'kv', bytes: 1_000 }).execute();
  const offered = await api(platform, owner, 'POST', '/handlers/other/transfer', { to: 'stranger' });
  expect(offered.status).toBe(201);
  expect((await api(platform, stranger, 'GET', '/transfers')).body.transfers).toHaveLength(1);
  const quota = { quotaBytes: 500 };
  await api(platform, tokens.get('admin full')!, 'PATCH', '/users/stranger', quota);
  platform.quota.changed((await platform.accounts.actorOfToken(stranger))!.user.id);
  const full = await api(platform, stranger, 'POST', '/transfers/other/accept');
  expect(full.body).toMatchObject({ status: 422, code: 'limit_exceeded' });
  await api(platform, tokens.get('admin full')!, 'PATCH', '/users/stranger', { quotaBytes: null });
  platform.quota.changed((await platform.accounts.actorOfToken(stranger))!.user.id);
  const accepted = await api(platform, stranger, 'POST', '/transfers/other/accept');
  expect(accepted.body.handler).toMatchObject({ name: 'other', owner: 'stranger', role: 'owner' });
  expect(platform.asked).toEqual([`handlerChanged ${id}`]);
  expect((await api(platform, owner, 'GET', '/handlers/other')).status).toBe(404);
  expect((await api(platform, stranger, 'GET', '/usage')).body.byKind.kv).toBe(1_000);
});
