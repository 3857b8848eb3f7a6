import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { accountLimits } from '../../../src/control/accounts/accounts.ts';
import { apiLimits, apiOperations } from '../../../src/control/api/api.ts';
import { bodyLimits } from '../../../src/control/api/body.ts';
import type { Operation } from '../../../src/control/api/operation.ts';
import { replaceSchedules } from '../../../src/control/calls/schedules.ts';
import { errorStatus } from '../../../src/protocol/errors.ts';
import { TrustedProxies } from '../../../src/protocol/trusted-proxies.ts';
import { api, logLine, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { beforeAttempts } from '../../support/attempts.ts';

/** A body that an operation on a handler takes. */
const bodies: Readonly<Record<string, unknown>> = {
  changeHandler: { deployBranch: 'x' },
  setVariable: { value: 'x' },
  rollBack: { number: 1 },
  putRollout: { number: 1, percent: 10 },
  setCollaborator: { role: 'viewer' },
  offerTransfer: { to: 'bob' },
  addDomain: { domain: 'api.example.com' },
  takeProfile: { seconds: 1 },
  putDrain: { kind: 'webhook', url: 'https://example.com/' },
};

let platform: Platform;
let ada: string;
let bob: string;

beforeAttempts(
  async () => {
    platform = await startPlatform();
    ada = await signUp(platform, 'ada');
    bob = await signUp(platform, 'bob');
    await platform.handlers.create({ name: 'otter', ownerId: (await platform.accounts.actorOfToken(ada))!.user.id });
  },
  () => platform.close(),
);

afterAll(() => platform.close());

describe('who may call what', () => {
  test('every operation of the document that wants a Token is 401 without one, and with a wrong one', async () => {
    const document = (await api(platform, null, 'GET', '/openapi.json')).body;
    const guarded: string[] = [];
    for (const [path, methods] of Object.entries<Record<string, { security?: [] }>>(document.paths))
      for (const [method, { security }] of Object.entries(methods)) {
        if (security !== undefined) continue;
        guarded.push(`${method} ${path}`);
        for (const token of [null, 'tr_wrong', `tr_${'A'.repeat(43)}`]) {
          const asked = path.replaceAll(/\{\w+\}/g, 'otter');
          const answer = await api(platform, token, method.toUpperCase(), asked, method === 'get' ? undefined : {});
          expect(answer, `${method} ${path}`).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
          expect(answer.headers.get('www-authenticate')).toContain('Bearer');
        }
      }
    const open = apiOperations(platform).filter(({ access }) => access === 'anyone');
    expect(guarded.length).toBe(apiOperations(platform).length - open.length);
    expect(open.map(({ id }) => id)).toEqual(['signUp', 'logIn']);
  });

  test("somebody else's handler is answered exactly as a missing one, by every operation", async () => {
    for (const { id, method, path } of apiOperations(platform)) {
      if (!path.startsWith('/handlers/{name}')) continue;
      const of = (name: string) => path.replace('{name}', name).replaceAll(/\{\w+\}/g, 'KEY');
      const sent = bodies[id];
      const foreign = await api(platform, bob, method, of('otter'), sent);
      const missing = await api(platform, bob, method, of('nobody'), sent);
      expect(foreign.status, `${method} ${path}`).toBe(404);
      expect({ ...foreign.body, id: '' }).toEqual(
        JSON.parse(JSON.stringify({ ...missing.body, id: '' }).replaceAll('nobody', 'otter')),
      );
    }
  });

  test('a body is not waited for before the caller is known', async () => {
    const answer = await new Promise<{ status: number | undefined; connection: string | undefined }>((resolve) => {
      const request = httpRequest(
        `${platform.url}/api/v1/handlers`,
        { method: 'POST', headers: { 'content-length': '1000000' } },
        (response) => {
          resolve({ status: response.statusCode, connection: response.headers.connection });
          request.destroy();
        },
      );
      request.on('error', () => {});
      request.write('{'); // and never the rest
    });
    expect(answer).toEqual({ status: 401, connection: 'close' });
  });

  test('a revoked Token is refused at once', async () => {
    const { token } = await platform.accounts.logIn({ name: 'bob', password: 'correct horse', address: '127.0.0.1' });
    expect((await api(platform, token, 'GET', '/whoami')).body.user.name).toBe('bob');
    expect((await api(platform, token, 'DELETE', '/sessions')).status).toBe(204);
    expect((await api(platform, token, 'GET', '/whoami')).status).toBe(401);
  });
});

describe('answers', () => {
  test('fit the schemas of the document', async () => {
    const created = (await api(platform, ada, 'POST', '/handlers', {})).body.handler.name;
    const nightly = { ...{ name: 'nightly', cron: '0 3 * * *', timezone: 'UTC', everyMs: null, path: '/', body: '' } };
    await platform.calls.accept({
      ...{
        id: 'abcdefghijklmnopqrstuvwxyz012345',
        handlerId: (await platform.handlers.find(created))!.id,
        body: new Uint8Array(),
        attemptsMax: 1,
      },
      request: { method: 'GET', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 },
    });
    await replaceSchedules(
      platform.db,
      (await platform.handlers.find(created))!.id,
      [{ ...nightly, overlap: 'skip', catchUp: 1, timeoutMs: 1_000 }],
      Date.now(),
    );
    await platform.append([logLine(created, 'hello')]);
    await platform.record({
      records: [
        {
          id: 'inv-1',
          handler: created,
          deployment: 1,
          startedMs: Date.now(),
          durationMs: 1.5,
          method: 'GET',
          path: '/',
          status: 200,
          outcome: 'ok',
          gas: 11,
          memoryPages: 2,
          bytesIn: 0,
          bytesOut: 6,
          syscalls: { log_write: { count: 1, waitMs: 0 } },
          io: { 'log:': { bytesIn: 0, bytesOut: 5 } },
          logLines: 1,
        },
      ],
      counts: [
        {
          handler: created,
          deployment: 1,
          invocations: 3,
          failures: 1,
          gas: 33,
          durationMs: 4,
          bytesIn: 0,
          bytesOut: 6,
          inFlight: 0,
        },
      ],
    });
    const drain = {
      kind: 'webhook',
      url: 'https://example.com/?a long secret value',
      headers: { a: 'a long secret value' },
    };
    const calls: [string, string, unknown?][] = [
      ['signUp', '/users', { name: 'eve', password: 'correct horse' }],
      ['logIn', '/sessions', { name: 'ada', password: 'correct horse', label: 'laptop' }],
      ['whoAmI', '/whoami'],
      ['createToken', '/tokens', { label: 'ci', scope: 'deploy', handler: created, expiresInDays: 90 }],
      ['startSecondFactor', '/second-factor'],
      ['changePassword', '/password', { current: 'correct horse', next: 'correct horse', endSessions: false }],
      ['listTokens', '/tokens'],
      ['createInvite', '/invites', { uses: 3, expiresInDays: 7 }],
      ['listUsers', '/users'],
      ['getUser', '/users/bob'],
      ['changeUser', '/users/bob', { handlersMax: 7 }],
      ['deleteUser', '/users/eve'],
      ['addNode', '/nodes', { name: 'eu-1' }],
      ['listNodes', '/nodes'],
      ['drainNode', '/nodes/eu-1/drain'],
      ['removeNode', '/nodes/eu-1'],
      ['listInvites', '/invites'],
      ['listHandlers', '/handlers'],
      ['createHandler', '/handlers', { name: 'made-here' }],
      ['getHandler', `/handlers/${created}`],
      ['changeHandler', `/handlers/${created}`, { deployBranch: 'trunk', limits: { gas: 5, timeoutMs: null } }],
      ['listDeployments', `/handlers/${created}/deployments?limit=5`],
      ['rollBack', `/handlers/${created}/rollback`, { number: 1 }],
      ['setVariable', `/handlers/${created}/env/KEY`, { value: 'a long secret value' }],
      ['getVariable', `/handlers/${created}/env/KEY`],
      ['listVariables', `/handlers/${created}/env`],
      ['listCalls', `/handlers/${created}/calls`],
      ['putDrain', `/handlers/${created}/drains/there`, drain],
      ['takeProfile', `/handlers/${created}/profile`, { seconds: 1 }],
      ['listDrains', `/handlers/${created}/drains`],
      ['deleteDrain', `/handlers/${created}/drains/there`],
      ['putServerDrain', '/drains/there', drain],
      ['listServerDrains', '/drains'],
      ['deleteServerDrain', '/drains/there'],
      ['listPreviews', `/handlers/${created}/previews`],
      ['deletePreview', `/handlers/${created}/previews/${encodeURIComponent('feature/x')}`],
      ['getRollout', `/handlers/${created}/release`],
      ['putRollout', `/handlers/${created}/release`, { number: 1, percent: 10 }],
      ['finishRollout', `/handlers/${created}/release/finish`],
      ['abortRollout', `/handlers/${created}/release`],
      ['addDomain', `/handlers/${created}/domains`, { domain: 'api.example.com' }],
      ['getDomain', `/handlers/${created}/domains/api.example.com`],
      ['listDomains', `/handlers/${created}/domains`],
      ['checkDomain', `/handlers/${created}/domains/api.example.com/check`],
      ['removeDomain', `/handlers/${created}/domains/api.example.com`],
      ['queryLogs', `/handlers/${created}/logs`],
      ['getLogRetention', `/handlers/${created}/logs/retention`],
      ['setLogRetention', `/handlers/${created}/logs/retention`, { days: 7 }],
      ['listInvocations', `/handlers/${created}/invocations`],
      ['getInvocation', `/handlers/${created}/invocations/inv-1`],
      ['getUsage', `/handlers/${created}/usage?minutes=5`],
      ['listUsage', '/usage'],
      ['listAudit', '/audit?limit=3'],
      ['listHandlerAudit', `/handlers/${created}/audit`],
      ['putQueue', '/queues/jobs', { isPaused: true }],
      ['publish', '/queues/jobs/messages?delayMs=1000', {}],
      ['listQueues', '/queues'],
      ['showQueue', '/queues/jobs'],
      ['pauseQueue', '/queues/jobs/pause'],
      ['resumeQueue', '/queues/jobs/resume'],
      ['readQueue', '/queues/jobs/messages'],
      ['retryQueue', '/queues/jobs/retry', {}],
      ['purgeQueue', '/queues/jobs/purge'],
      ['listSchedules', `/handlers/${created}/schedules`],
      ['pauseSchedule', `/handlers/${created}/schedules/nightly/pause`],
      ['resumeSchedule', `/handlers/${created}/schedules/nightly/resume`],
      ['runSchedule', `/handlers/${created}/schedules/nightly/run`],
      ['removeVariable', `/handlers/${created}/env/KEY`],
      ['setCollaborator', `/handlers/${created}/collaborators/bob`, { role: 'deployer' }],
      ['getCollaborator', `/handlers/${created}/collaborators/bob`],
      ['listCollaborators', `/handlers/${created}/collaborators`],
      ['removeCollaborator', `/handlers/${created}/collaborators/bob`],
      ['offerTransfer', `/handlers/${created}/transfer`, { to: 'bob' }],
      ['getTransfer', `/handlers/${created}/transfer`],
      ['withdrawTransfer', `/handlers/${created}/transfer`],
      ['listTransfers', '/transfers'],
      ['deleteHandler', `/handlers/${created}`],
      ['restoreHandler', `/handlers/${created}/restore`],
    ];
    const operations = new Map<string, Operation>(
      apiOperations(platform).map((operation) => [operation.id, operation]),
    );
    for (const [id, path, body] of calls) {
      const operation = operations.get(id)!;
      const answer = await api(platform, ada, operation.method, path, body);
      expect(answer.status, `${id}: ${JSON.stringify(answer.body)}`).toBe(operation.status);
      if (operation.answer === null) expect(answer.body).toBeNull();
      else expect(operation.answer.safeParse(answer.body).error, id).toBeUndefined();
      expect(JSON.stringify(answer.body)).not.toContain('a long secret value');
      operations.delete(id);
    }
    expect([...operations.keys()].sort()).toEqual([
      'acceptTransfer',
      'cancelCall',
      'cancelInvocation',
      'confirmSecondFactor',
      'declineTransfer',
      'deleteInvite',
      'deleteQueue',
      'exportAudit',
      'exportHandlerAudit',
      'exportInvocations',
      'exportLogs',
      'exportQueue',
      'getPreview',
      'leaveHandler',
      'logOut',
      'removeSecondFactor',
      'retryCall',
      'revokeToken',
      'streamLogs',
    ]);
  });

  test('the deploy station hears of what concerns it', async () => {
    platform.asked.length = 0;
    await api(platform, ada, 'POST', '/handlers', { name: 'heard' });
    await api(platform, ada, 'PUT', '/handlers/heard/env/A', { value: '1' });
    await api(platform, ada, 'DELETE', '/handlers/heard/env/A');
    await api(platform, ada, 'POST', '/handlers/heard/rollback', { number: 3 });
    await api(platform, ada, 'DELETE', '/handlers/heard');
    await api(platform, ada, 'POST', '/handlers/heard/restore');
    const { id } = (await platform.handlers.find('heard'))!;
    expect(platform.asked).toEqual([
      `handlerCreated ${id}`,
      `environmentChanged ${id}`,
      `environmentChanged ${id}`,
      `rollback ${id} 3`,
      `handlerDeleted ${id}`,
      `handlerRestored ${id}`,
    ]);
  });

  test('errors are problem documents with a stable code and the id that the log has', async () => {
    const answer = await api(platform, ada, 'GET', '/handlers/nobody');
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject({ status: 404, code: 'not_found', id: answer.headers.get('trisiel-request') });
    expect(platform.logged.some((line) => line.includes(answer.body.id))).toBe(true);
  });

  test('security headers are on every answer', async () => {
    for (const path of ['/healthz', '/api/v1/whoami', '/nowhere', '/metrics']) {
      const { headers } = await fetch(platform.url + path);
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('cache-control'), path).toBe('no-store');
      expect(headers.get('content-security-policy'), path).toContain("default-src 'none'");
      expect(headers.get('access-control-allow-origin'), path).toBeNull();
    }
  });

  test('secrets appear in no log line', async () => {
    await api(platform, null, 'POST', '/sessions', { name: 'ada', password: 'wrong-password-here' });
    await api(platform, null, 'POST', '/users', { name: 'ada', password: 'wrong-password-here', invite: 'ti_secret' });
    const all = platform.logged.join('');
    for (const secret of ['wrong-password-here', 'ti_secret', 'correct horse', ada, bob])
      expect(all).not.toContain(secret);
  });
});

describe('bad input', () => {
  const refused: [string, string, string, unknown, keyof typeof errorStatus][] = [
    ['no number', 'GET', '/handlers/otter/logs?limit=1e9', undefined, 'bad_request'],
    ['a huge limit', 'GET', '/handlers/otter/logs?limit=1000000000', undefined, 'bad_request'],
    ['limit 0', 'GET', '/handlers/otter/logs?limit=0', undefined, 'bad_request'],
    ['a negative limit', 'GET', '/handlers/otter/logs?limit=-1', undefined, 'bad_request'],
    ['after=NaN', 'GET', '/handlers/otter/logs?after=NaN', undefined, 'bad_request'],
    ['after beyond 2^53', 'GET', '/handlers/otter/logs?after=9999999999999999', undefined, 'bad_request'],
    ['an empty after', 'GET', '/handlers/otter/logs?after=', undefined, 'bad_request'],
    ['a repeated key', 'GET', '/handlers/otter/logs?after=1&after=2', undefined, 'bad_request'],
    ['an unknown key', 'GET', '/handlers/otter/logs?afer=1', undefined, 'bad_request'],
    ['an unknown level', 'GET', '/handlers/otter/logs?level=loud', undefined, 'bad_request'],
    ['a long grep', 'GET', `/handlers/otter/logs?grep=${'x'.repeat(501)}`, undefined, 'bad_request'],
    ['another type', 'POST', '/handlers', { name: 5 }, 'bad_request'],
    ['an unknown field', 'POST', '/handlers', { nme: 'x' }, 'bad_request'],
    ['a list', 'POST', '/handlers', [], 'bad_request'],
    ['null', 'POST', '/handlers', null, 'bad_request'],
    ['a reserved name', 'POST', '/handlers', { name: 'www' }, 'name_invalid'],
    ['a path as a name', 'POST', '/handlers', { name: '../etc' }, 'name_invalid'],
    ['a taken name', 'POST', '/handlers', { name: 'otter' }, 'name_taken'],
    ['a fraction', 'POST', '/handlers/otter/rollback', { number: 1.5 }, 'bad_request'],
    ['a bad variable name', 'PUT', '/handlers/otter/env/1A', { value: '' }, 'bad_request'],
    ['a limit above the maximum', 'PATCH', '/handlers/otter', { limits: { gas: 1e13 } }, 'bad_request'],
    ['a limit of 0', 'PATCH', '/handlers/otter', { limits: { timeoutMs: 0 } }, 'bad_request'],
    ['a limit that is text', 'PATCH', '/handlers/otter', { limits: { gas: '5' } }, 'bad_request'],
    ['an unknown limit', 'PATCH', '/handlers/otter', { limits: { speed: 5 } }, 'bad_request'],
    ['half a policy', 'PATCH', '/handlers/otter', { policy: { allow: [] } }, 'bad_request'],
    [
      'a pattern too long',
      'PATCH',
      '/handlers/otter',
      { policy: { allow: ['x'.repeat(513)], disallow: [] } },
      'bad_request',
    ],
    ['an option as a branch', 'PATCH', '/handlers/otter', { deployBranch: '--upload-pack=x' }, 'bad_request'],
    ['an unknown path', 'GET', '/nothing', undefined, 'not_found'],
    ['a wrong method', 'DELETE', '/whoami', undefined, 'method_not_allowed'],
    ['a broken escape', 'GET', '/handlers/%zz', undefined, 'not_found'],
    ['a NUL', 'GET', '/handlers/%00', undefined, 'not_found'],
    ['a prototype name', 'GET', '/handlers/__proto__', undefined, 'not_found'],
  ];
  test.each(refused)('%s: %s %s', async (_title, method, path, body, code) => {
    const answer = await api(platform, ada, method, path, body);
    expect(answer.body).toMatchObject({ code, status: errorStatus[code] });
    expect(answer.status).toBe(errorStatus[code]);
  });

  async function send(body: string | Uint8Array<ArrayBuffer>, type = 'application/json') {
    const response = await fetch(`${platform.url}/api/v1/handlers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada}`, 'content-type': type },
      body,
    });
    return { status: response.status, body: await response.json() };
  }

  test('a body that is not JSON, not UTF-8, of another type, or too large is refused', async () => {
    expect(await send('{"name":')).toMatchObject({ status: 400 });
    expect(await send(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ status: 400 });
    expect(await send('{}', 'text/plain')).toMatchObject({ status: 400 });
    expect(await send(' '.repeat(bodyLimits.user.bytes + 1))).toMatchObject({
      status: 413,
      body: { code: 'body_too_large' },
    });
  });

  test('a body of a stranger has a limit of its own, declared or chunked', async () => {
    const fits = JSON.stringify({ name: 'ada', password: 'wrong' }).padEnd(bodyLimits.stranger.bytes);
    const post = async (body: string | ReadableStream) => {
      const headers = { 'content-type': 'application/json' };
      const options = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      return (await fetch(`${platform.url}/api/v1/sessions`, options)).status;
    };
    const chunked = (text: string) => new Blob([text]).stream();
    expect(await post(fits)).toBe(401);
    expect(await post(chunked(fits))).toBe(401);
    expect(await post(`${fits} `)).toBe(413);
    expect(await post(chunked(`${fits} `))).toBe(413);
  });

  test('every operation refuses an unknown query key and an unknown field of the body, naming it', async () => {
    for (const { id, method, path, access, bodyTypes } of apiOperations(platform)) {
      const token = access === 'anyone' ? null : ada;
      const at = path.replace('{name}', 'otter').replaceAll(/\{\w+\}/g, 'KEY');
      // A GET with a body is no request that fetch() makes; that of a DELETE has no meaning, but can be sent.
      const withField =
        method === 'GET' || bodyTypes !== null ? null : await api(platform, token, method, at, { unheard: 1 });
      const withKey = await api(platform, token, method, `${at}?unheard=1`, method === 'GET' ? undefined : {});
      for (const answer of [withKey, withField]) {
        if (answer === null) continue;
        expect(answer, `${id}: ${method} ${at}`).toMatchObject({ status: 400, body: { code: 'bad_request' } });
        expect(answer.body.detail, id).toMatch(/no such (?:key|field): "unheard"/);
      }
    }
    expect(
      (await api(platform, ada, 'GET', '/handlers')).body.handlers.some(
        (one: { name: string }) => one.name === 'otter',
      ),
    ).toBe(true);
    expect((await api(platform, ada, 'POST', '/invites', {})).status).toBe(201);
  });

  test('a chunked body is cut off at the limit', async () => {
    const status = await new Promise<number | undefined>((resolve) => {
      const request = httpRequest(
        `${platform.url}/api/v1/handlers`,
        { method: 'POST', headers: { authorization: `Bearer ${ada}`, 'content-type': 'application/json' } },
        (response) => resolve(response.statusCode),
      );
      request.on('error', () => {});
      const pour = () => {
        while (request.writable && request.write(' '.repeat(16_384)));
        request.once('drain', pour);
      };
      pour();
    });
    expect(status).toBe(413);
  });

  test('what is no HTTP is answered with a problem, and the connection ends', async () => {
    const text = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(platform.url).port), '127.0.0.1');
      let all = '';
      socket.on('data', (chunk) => {
        all += chunk;
      });
      socket.on('close', () => resolve(all));
      socket.write('nonsense\r\n\r\n');
    });
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('"code":"bad_request"');
  });

  test('log-ins are slowed down: 429 with retry-after', async () => {
    const slow = await startPlatform();
    try {
      const attempt = () => api(slow, null, 'POST', '/sessions', { name: 'ada', password: 'wrong wrong' });
      let answer = await attempt();
      for (let i = 0; i < 40 && answer.status === 401; i += 1) answer = await attempt();
      expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    } finally {
      await slow.close();
    }
  });

  test('refusals and failures without end are counted in the log of the platform, not written each', async () => {
    const broken = await startPlatform();
    try {
      const token = await signUp(broken, 'ada');
      await broken.db.schema.dropTable('handler_env').execute();
      await broken.handlers.create({ name: 'h', ownerId: (await broken.accounts.actorOfToken(token))!.user.id });
      const startMs = performance.now();
      for (const [path, by, status] of [
        ['/whoami', 'tt_wrong', 401],
        ['/handlers/h/env', token, 500],
      ] as const) {
        const before = broken.logged.length;
        const answers = await Promise.all(Array.from({ length: 300 }, () => api(broken, by, 'GET', path)));
        // Guesses are refused as too many after some.
        expect(answers.every((answer) => answer.status === status || answer.status === 429)).toBe(true);
        const written = broken.logged
          .slice(before)
          .map((line) => JSON.parse(line) as { unreported?: number; level: number });
        const failures = written.filter(({ level }) => level >= 30);
        const windows = Math.ceil((performance.now() - startMs) / 1_000) + 1;
        expect(failures.length).toBeGreaterThan(0);
        expect(failures.length).toBeLessThanOrEqual(windows * 20 * 2);
      }
    } finally {
      await broken.close();
    }
  });

  test('a failing database is 503 or 500, never the error itself', async () => {
    const broken = await startPlatform();
    try {
      const token = await signUp(broken, 'ada');
      await broken.db.schema.dropTable('handler_env').execute();
      await broken.handlers.create({ name: 'h', ownerId: (await broken.accounts.actorOfToken(token))!.user.id });
      const answer = await api(broken, token, 'GET', '/handlers/h/env');
      expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } });
      expect(JSON.stringify(answer.body)).not.toContain('handler_env');
      expect(broken.logged.join('')).toContain('handler_env');
    } finally {
      await broken.close();
    }
  });
});

test('a body in another coding is refused: it would be read as if it were none', async () => {
  const url = `${platform.url}/api/v1/handlers`;
  const headers = { authorization: `Bearer ${ada}`, 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const answer = await fetch(url, { method: 'POST', headers, body: '{"name":"coded"}' });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: 'bad_request', detail: expect.stringContaining('coded') });
  expect(await platform.handlers.find('coded')).toBeNull();
});

test('a user has so many requests at once; each that ends makes room; others are not concerned', async () => {
  const busy = await startPlatform();
  try {
    const token = await signUp(busy, 'ada');
    const other = await signUp(busy, 'bob');
    const statusOf = async (who: string) => (await api(busy, who, 'GET', '/handlers')).status;
    const held = Array.from({ length: apiLimits.perUser + 1 }, () => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': '9' };
      const request = httpRequest(`${busy.url}/api/v1/handlers`, { method: 'POST', headers });
      request.on('error', () => {});
      request.write('{'); // and never the rest
      return request;
    });
    // One more than there are places: when it is refused, all of them are taken. Asking meanwhile would take one too.
    expect(await Promise.race(held.map((request) => once(request, 'response')))).toMatchObject([{ statusCode: 429 }]);
    expect(await statusOf(token)).toBe(429);
    expect(await statusOf(other)).toBe(200);
    for (const request of held) request.destroy();
    await vi.waitFor(async () => expect(await statusOf(token)).toBe(200), { timeout: 60_000 });
  } finally {
    await busy.close();
  }
});

describe('what a user stores', () => {
  test('is told by kind and handler; past the quota nothing new is made; purging makes room and frees the name', async () => {
    const small = await startPlatform({ quotaBytes: 1024 * 1024 });
    try {
      const token = await signUp(small, 'ada');
      const other = await signUp(small, 'bob');
      const make = (name: string) => api(small, token, 'POST', '/handlers', { name });
      expect((await make('otter')).status).toBe(201);
      const { id } = (await small.handlers.find('otter'))!;
      const value = { bucket: 'b', value: Buffer.alloc(600_000), updated_ms: 0 };
      for (const key of ['a', 'b'])
        await small.db
          .insertInto('kv')
          .values({ handler_id: id, key, ...value })
          .execute();
      await small.quota.measure(id);
      const usage = async (who: string) => (await api(small, who, 'GET', '/usage')).body;
      expect(await usage(token)).toMatchObject({
        quotaBytes: 1024 * 1024,
        usedBytes: expect.any(Number),
        byKind: { repositories: 0, artifacts: 0, kv: expect.any(Number), queues: 0, logs: 0, usage: 0 },
        handlers: [{ name: 'otter', deleted: false, bytes: expect.any(Number) }],
      });
      expect((await usage(token)).usedBytes).toBeGreaterThan(1_200_000);
      expect(await usage(other)).toMatchObject({ usedBytes: 0, handlers: [] });
      const refused = await make('fox');
      expect(refused).toMatchObject({ status: 422, body: { code: 'limit_exceeded' } });
      expect(refused.body.detail).toMatch(/^your quota is used up: 1\.1 MiB of 1 MiB$/);
      expect(refused.body.details[0]).toMatch(/^otter {2}1\.1 MiB {2}kv 1\.1 MiB$/);
      expect((await api(small, other, 'POST', '/handlers', {})).status).toBe(201);

      expect((await api(small, token, 'DELETE', '/handlers/otter')).status).toBe(204);
      expect((await usage(token)).handlers).toMatchObject([{ name: 'otter', deleted: true }]);
      expect((await api(small, other, 'DELETE', '/handlers/otter?purge=true')).status).toBe(404);
      expect((await api(small, token, 'DELETE', '/handlers/otter?purge=maybe')).status).toBe(400);
      expect((await api(small, token, 'DELETE', '/handlers/otter?purge=true')).status).toBe(204);
      expect(small.asked).toContain(`handlerPurged ${id}`);
      expect(await usage(token)).toMatchObject({ usedBytes: 0, handlers: [] });
      expect((await api(small, token, 'POST', '/handlers/otter/restore')).status).toBe(404);
      expect((await make('otter')).status).toBe(201);
      // A living one too, at once.
      expect((await api(small, token, 'DELETE', '/handlers/otter?purge=true')).status).toBe(204);
      expect((await make('otter')).status).toBe(201);
    } finally {
      await small.close();
    }
  });
});

describe('pages', () => {
  test('healthz, readyz, metrics and the imports are open', async () => {
    const get = async (path: string) => {
      const response = await fetch(platform.url + path);
      return { status: response.status, text: await response.text() };
    };
    expect(await get('/healthz')).toEqual({ status: 200, text: '{"status":"alive"}' });
    expect(await get('/readyz')).toEqual({ status: 200, text: '{"ready":true,"platformId":"p1","bootId":"b1"}' });
    const counted = async () => Number(/^trisiel_invocations_total (\d+)$/m.exec((await get('/metrics')).text)?.[1]);
    const before = await counted();
    const sums = { failures: 0, gas: 1, durationMs: 1, bytesIn: 0, bytesOut: 0, inFlight: 0 };
    await platform.record({ records: [], counts: [{ ...sums, handler: 'otter', deployment: 1, invocations: 3 }] });
    expect(await counted()).toBe(before + 3);
    const metrics = await get('/metrics');
    expect(metrics.text).toMatch(/^trisiel_log_lines_total \d+$/m);
    expect(metrics.text).toMatch(/^trisiel_queue_published_total \d+$/m);
    expect(metrics.text).toMatch(/^trisiel_queue_messages \d+$/m);
    expect(metrics.text).toMatch(/^trisiel_queue_oldest_seconds 0$/m);
    expect((await get('/docs/imports')).text).toBe('cwa\n\n  cwa.log_write  (i32, i32, i32)\n');
  });

  test('metrics are for this machine, or for who has the token', async () => {
    const metrics = (of: Platform, headers: Record<string, string>) => fetch(`${of.url}/metrics`, { headers });
    // A request through a proxy on this machine did not begin here, whether the proxy is configured or not.
    const forwarded = await metrics(platform, { 'x-forwarded-for': '192.0.2.1' });
    expect(forwarded.status).toBe(403);
    expect(await forwarded.json()).toMatchObject({ code: 'forbidden' });
    const guarded = await startPlatform({ metricsToken: 'scrape-me-0123456789' });
    try {
      expect((await metrics(guarded, {})).status).toBe(401);
      expect((await metrics(guarded, { authorization: 'Bearer scrape-me-0123456788' })).status).toBe(401);
      expect((await metrics(guarded, { authorization: 'Bearer scrape-me-0123456789' })).status).toBe(200);
    } finally {
      await guarded.close();
    }
  });
});

test("the client's address is taken from trusted proxies alone", async () => {
  const behind = await startPlatform({ trustedProxies: TrustedProxies.parse('127.0.0.1') });
  try {
    const status = async (of: Platform, i: number) => {
      const headers = { 'content-type': 'application/json', 'x-forwarded-for': `1.1.1.1, 198.51.100.${i}` };
      const body = JSON.stringify({ name: `nobody-${i}`, password: 'wrong wrong' });
      return (await fetch(`${of.url}/api/v1/sessions`, { method: 'POST', headers, body })).status;
    };
    const tries = Array.from({ length: accountLimits.logInByAddress.burst + 5 }, (_, i) => i);
    for (const i of tries) expect(await status(behind, i)).toBe(401);
    // Nobody has said that this server stands behind a proxy: all of them have the socket's address.
    const open = await startPlatform();
    const statuses = new Set<number>();
    for (const i of tries) statuses.add(await status(open, i));
    await open.close();
    expect([...statuses]).toEqual([401, 429]);
  } finally {
    await behind.close();
  }
});

test('a call that has just begun is cancelled once its runner has told of it, which is waited for', async () => {
  const { id: handlerId } = await platform.handlers.create({
    name: 'heron',
    ownerId: (await platform.accounts.actorOfToken(ada))!.user.id,
  });
  const request = { method: 'GET', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };
  const accepted = { handlerId, request, body: new Uint8Array(), attemptsMax: 1 };
  await platform.calls.accept({ id: 'abcdefghijklmnopqrstuvwxyz543210', ...accepted });
  await platform.db.updateTable('calls').set({ state: 'inflight' }).where('handler_id', '=', handlerId).execute();
  const { id } = (await platform.calls.list(handlerId, { limit: 1 }))[0]!;
  const running = vi.spyOn(platform.usage, 'runningOf');
  running.mockReturnValueOnce(null).mockReturnValueOnce(null).mockReturnValueOnce('a-runner-1');
  const cancel = () => api(platform, ada, 'POST', `/handlers/heron/calls/${id}/cancel`);
  try {
    expect((await cancel()).status).toBe(204);
    expect(running).toHaveBeenCalledTimes(3);
    // One of which no runner tells.
    running.mockReturnValue(null);
    expect(await cancel()).toMatchObject({ status: 409, body: { code: 'conflict' } });
  } finally {
    running.mockRestore();
  }
});
