/**
 * Every operation that changes something writes one audit entry: each is called with success here, and an operation of
 * the platform that this file does not call fails the test.
 */
import { afterAll, expect, test } from 'vitest';
import { codeOf, stepAt } from '../../../src/control/accounts/totp.ts';
import { apiOperations } from '../../../src/control/api/api.ts';
import { isAudited } from '../../../src/control/api/audited.ts';
import { checkAudit } from '../../../src/control/audit/chain.ts';
import { replaceSchedules } from '../../../src/control/calls/schedules.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import type { PendingInvocationRecord } from '../../../src/protocol/nouns.ts';
import { type Answer, api, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { beforeAttempts, story } from '../../support/attempts.ts';

let platform: Platform;
let ada: string;
let bob: string;
/** Filled by one call for a later one. */
const made: Record<string, string> = {};

beforeAttempts(async () => {
  await platform?.close();
  platform = await startPlatform();
  ada = await signUp(platform, 'ada'); // the administrator
  bob = await signUp(platform, 'bob');
  await platform.handlers.create({ name: 'left', ownerId: (await platform.accounts.actorOfToken(ada))!.user.id });
});

afterAll(() => platform.close());
const next = story();

const secret = 'a-secret-of-the-test-1';
const call = (token: string | null, method: string, path: string, body?: unknown) =>
  api(platform, token, method, path, body);
const asAda = (method: string, path: string, body?: unknown) => call(ada, method, path, body);
const code = () => {
  platform.clock.ms += 30_000;
  return codeOf(fromBase32(made.totp!), stepAt(platform.now()));
};

function fromBase32(text: string): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...text.replace(/=+$/, '')].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2));
}

const drain = { kind: 'webhook', url: `https://example.com/${secret}`, headers: { 'x-key': secret } };

type Step = () => Promise<Answer>;

/** One successful call of each operation, in an order in which each finds what it needs. */
const steps: readonly (readonly [operation: string, step: Step])[] = [
  ['signUp', () => call(null, 'POST', '/users', { name: 'carl', password: 'correct horse' })],
  ['logIn', () => call(null, 'POST', '/sessions', { name: 'carl', password: 'correct horse' })],
  ['logOut', async () => call(await keep('logIn'), 'DELETE', '/sessions')],
  ['changePassword', () => asAda('PUT', '/password', { current: 'correct horse', next: secret, endSessions: false })],
  ['startSecondFactor', () => asAda('POST', '/second-factor').then(remember('totp', ({ secret }) => secret))],
  ['confirmSecondFactor', () => asAda('PUT', '/second-factor', { code: code() })],
  ['removeSecondFactor', () => asAda('DELETE', '/second-factor', { code: code() })],
  [
    'createToken',
    () => asAda('POST', '/tokens', { label: 'ci', scope: 'read' }).then(remember('t', ({ view }) => view.id)),
  ],
  ['revokeToken', () => asAda('DELETE', `/tokens/${made.t}`)],
  ['createInvite', () => asAda('POST', '/invites', { uses: 2 }).then(remember('i', ({ view }) => view.id))],
  ['deleteInvite', () => asAda('DELETE', `/invites/${made.i}`)],
  ['createHandler', () => asAda('POST', '/handlers', { name: 'otter' })],
  ['changeHandler', () => asAda('PATCH', '/handlers/otter', { limits: { gas: 5_000 } })],
  ['setLogRetention', () => asAda('PATCH', '/handlers/otter/logs/retention', { days: 7 })],
  ['setVariable', () => asAda('PUT', '/handlers/otter/env/KEY', { value: secret })],
  ['removeVariable', () => asAda('DELETE', '/handlers/otter/env/KEY')],
  ['putDrain', () => asAda('PUT', '/handlers/otter/drains/there', drain)],
  ['deleteDrain', () => asAda('DELETE', '/handlers/otter/drains/there')],
  ['putServerDrain', () => asAda('PUT', '/drains/there', drain)],
  ['deleteServerDrain', () => asAda('DELETE', '/drains/there')],
  ['rollBack', () => asAda('POST', '/handlers/otter/rollback', { number: 1 })],
  ['addDomain', () => asAda('POST', '/handlers/otter/domains', { domain: 'api.example.com' })],
  ['checkDomain', () => asAda('POST', '/handlers/otter/domains/api.example.com/check')],
  ['removeDomain', () => asAda('DELETE', '/handlers/otter/domains/api.example.com')],
  ['putRollout', () => asAda('PUT', '/handlers/otter/release', { number: 1, percent: 10 })],
  ['finishRollout', () => asAda('POST', '/handlers/otter/release/finish')],
  ['abortRollout', () => asAda('DELETE', '/handlers/otter/release')],
  ['deletePreview', () => asAda('DELETE', '/handlers/otter/previews/feature%2Flogin')],
  [
    'pauseSchedule',
    async () => {
      const plan = { name: 'nightly', cron: '0 3 * * *', timezone: 'UTC', everyMs: null, path: '/', body: '' };
      const schedule = { ...plan, overlap: 'skip', catchUp: 1, timeoutMs: 1_000 } as const;
      const { id } = (await platform.handlers.find('otter'))!;
      await replaceSchedules(platform.db, id, [schedule], platform.now());
      return asAda('POST', '/handlers/otter/schedules/nightly/pause');
    },
  ],
  ['resumeSchedule', () => asAda('POST', '/handlers/otter/schedules/nightly/resume')],
  ['runSchedule', () => asAda('POST', '/handlers/otter/schedules/nightly/run')],
  [
    'cancelInvocation',
    async () => {
      platform.usage.running('a-runner', { started: [await running('i1')], ended: [] });
      return asAda('DELETE', '/handlers/otter/invocations/i1');
    },
  ],
  ['takeProfile', () => asAda('POST', '/handlers/otter/profile', { seconds: 1 })],
  ['cancelCall', async () => asAda('POST', `/handlers/otter/calls/${await waitingCall()}/cancel`)],
  ['retryCall', async () => asAda('POST', `/handlers/otter/calls/${await newestCall()}/retry`)],
  ['setCollaborator', () => asAda('PUT', '/handlers/otter/collaborators/bob', { role: 'viewer' })],
  ['removeCollaborator', () => asAda('DELETE', '/handlers/otter/collaborators/bob')],
  [
    'leaveHandler',
    async () => {
      await platform.teams.set((await platform.handlers.find('otter'))!, 'bob', 'viewer');
      return call(bob, 'DELETE', '/handlers/otter/membership');
    },
  ],
  ['offerTransfer', () => asAda('POST', '/handlers/otter/transfer', { to: 'bob' })],
  ['withdrawTransfer', () => asAda('DELETE', '/handlers/otter/transfer')],
  ['declineTransfer', () => offered(() => call(bob, 'DELETE', '/transfers/otter'))],
  ['acceptTransfer', () => offered(() => call(bob, 'POST', '/transfers/otter/accept'))],
  ['deleteHandler', () => call(bob, 'DELETE', '/handlers/otter')],
  ['restoreHandler', () => call(bob, 'POST', '/handlers/otter/restore')],
  ['putQueue', () => asAda('PUT', '/queues/jobs', {})],
  ['pauseQueue', () => asAda('POST', '/queues/jobs/pause')],
  ['resumeQueue', () => asAda('POST', '/queues/jobs/resume')],
  ['retryQueue', () => asAda('POST', '/queues/jobs/retry')],
  ['purgeQueue', () => asAda('POST', '/queues/jobs/purge')],
  ['deleteQueue', () => asAda('DELETE', '/queues/jobs')],
  ['changeUser', () => asAda('PATCH', '/users/bob', { handlersMax: 7 })],
  [
    'deleteUser',
    async () => {
      await signUp(platform, 'eve');
      return asAda('DELETE', '/users/eve');
    },
  ],
  ['addNode', () => asAda('POST', '/nodes', { name: 'eu-1' })],
  ['drainNode', () => asAda('POST', '/nodes/eu-1/drain')],
  ['removeNode', () => asAda('DELETE', '/nodes/eu-1')],
];

/** Operations that change something, and why they are not called here. */
const elsewhere: Readonly<Record<string, string>> = {
  publish: 'writes no entry: a message is data',
};

function remember<T>(key: string, of: (body: Answer['body']) => string) {
  return (answer: Answer & T): Answer => {
    made[key] = of(answer.body);
    return answer;
  };
}

async function keep(_operation: 'logIn'): Promise<string> {
  return (await platform.accounts.logIn({ name: 'carl', password: 'correct horse', address: '127.0.0.1' })).token;
}

async function offered(then: Step): Promise<Answer> {
  await platform.teams.offer((await platform.handlers.find('otter'))!, 'bob');
  return then();
}

async function running(id: string): Promise<PendingInvocationRecord> {
  const { id: handlerId } = (await platform.handlers.find('otter'))!;
  return {
    ...{
      id,
      handlerId: handlerIdOf(handlerId),
      deployment: 1,
      startedMs: platform.now(),
      durationMs: 0,
      method: 'GET',
      path: '/',
    },
    ...{ status: 0, outcome: 'running', gas: 0, memoryPages: 1, bytesIn: 0, bytesOut: 0, logLines: 0 },
    ...{ syscalls: {}, io: {} },
  };
}

async function waitingCall(): Promise<string> {
  const { id: handlerId } = (await platform.handlers.find('otter'))!;
  const request = { method: 'POST', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };
  const body = new Uint8Array();
  await platform.calls.accept({ id: 'call-of-the-audit-test', handlerId, request, body, attemptsMax: 1 });
  return newestCall();
}

async function newestCall(): Promise<string> {
  const { id: handlerId } = (await platform.handlers.find('otter'))!;
  return (await platform.calls.list(handlerId, { limit: 1 }))[0]!.id;
}

const newest = async () => (await platform.audit.list({}, { limit: 1 }))[0];

test('every operation that changes something is called below', () => {
  const changing = apiOperations(platform).filter(({ method }) => method !== 'GET');
  expect(changing.filter((operation) => !isAudited(operation)).map(({ id }) => id)).toEqual(['publish']);
  const called = [...steps.map(([operation]) => operation), ...Object.keys(elsewhere)];
  expect(changing.map(({ id }) => id as string).filter((id) => !called.includes(id))).toEqual([]);
});

for (const [operation, step] of steps)
  next(`${operation} writes one entry before its answer`, async () => {
    const before = (await newest())?.number ?? 0;
    const { status, body } = await step();
    expect([200, 201, 204], JSON.stringify(body)).toContain(status);
    const entry = await newest();
    expect(entry).toMatchObject({ number: before + 1, operation, address: '127.0.0.1', outcome: 'ok' });
    expect(entry!.tokenId === null).toBe(['signUp', 'logIn'].includes(operation));
    const { path } = apiOperations(platform).find(({ id }) => id === operation)!;
    const ofHandler = path.startsWith('/handlers') || path.startsWith('/transfers');
    expect(entry!.handler).toBe(ofHandler ? 'otter' : null);
  });

next('no entry holds a secret, and the chain holds', async () => {
  const all = await platform.db.selectFrom('audit_entries').selectAll().execute();
  const text = JSON.stringify(all);
  for (const word of [secret, 'correct horse', ada, bob, made.totp!]) expect(text).not.toContain(word);
  expect(all.find(({ operation }) => operation === 'changeUser')?.detail).toBe('{"user":"bob","handlersMax":7}');
  expect(await checkAudit(platform.db)).toMatchObject({ ok: true, entries: all.length });
});

next('what is refused writes nothing; what fails on our side does, with its code', async () => {
  const before = (await newest())!.number;
  expect((await asAda('POST', '/handlers', { name: 'NOT A NAME' })).status).toBe(422);
  expect((await asAda('PATCH', '/handlers/nobody', {})).status).toBe(404);
  expect((await call('tr_wrong', 'POST', '/handlers', {})).status).toBe(401);
  expect((await call(bob, 'PATCH', '/users/ada', { admin: false })).status).toBe(403);
  expect((await newest())!.number).toBe(before);
  const { deployer } = platform;
  const works = deployer.handlerChanged;
  Object.assign(deployer, { environmentChanged: async () => Promise.reject(new Error('a runner burns')) });
  expect((await asAda('PUT', '/handlers/left/env/KEY', { value: 'x' })).status).toBe(500);
  Object.assign(deployer, { environmentChanged: works });
  expect(await newest()).toMatchObject({ operation: 'setVariable', handler: 'left', outcome: 'internal' });
});

next(
  'an owner reads what was done to the handler, an administrator everything, page by page and as a file',
  async () => {
    const { body } = await call(bob, 'GET', '/handlers/otter/audit?limit=3');
    expect(body.entries.map(({ operation }: { operation: string }) => operation)).toEqual([
      'restoreHandler',
      'deleteHandler',
      'acceptTransfer',
    ]);
    const older = (await call(bob, 'GET', `/handlers/otter/audit?limit=200&after=${body.next}`)).body;
    expect(older.next).toBeNull();
    expect(older.entries.at(-1)).toMatchObject({ operation: 'createHandler', user: 'ada', detail: '{"name":"otter"}' });
    expect((await call(ada, 'GET', '/handlers/otter/audit')).status).toBe(404);
    expect((await call(bob, 'GET', '/audit')).status).toBe(403);
    expect((await asAda('GET', '/audit?user=carl')).body.entries).toHaveLength(3);
    expect((await asAda('GET', '/audit?operation=changeUser')).body.entries).toHaveLength(1);
    const file = await asAda('GET', '/audit/export');
    expect(file.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = String(file.body).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).number)).toEqual(lines.map((_, n) => n + 1));
    const own = await call(bob, 'GET', '/handlers/otter/audit/export?operation=deleteHandler');
    const entry = typeof own.body === 'string' ? JSON.parse(own.body) : own.body;
    expect(entry).toMatchObject({ operation: 'deleteHandler', user: 'bob' });
  },
);
