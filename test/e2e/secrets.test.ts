/**
 * A whole run with a secret in every place that takes one, and a search for all of them in everything that the platform
 * gives out and keeps: git's output, answers of the API, logs, figures, its own log, what receivers of traces and logs
 * get, and the files of the data folder.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
  call,
  git,
  makeRepo,
  push,
  remoteUrl,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble, variables } from '../support/e2e-guests.ts';
import { OtlpReceiver } from '../support/otlp-receiver.ts';

const drawn = (what: string) => `${what}-${randomBytes(12).toString('hex')}`;
const secrets: Record<string, string> = {
  password: drawn('password'),
  next: drawn('next-password'),
  variable: drawn('variable'),
  preview: drawn('preview-variable'),
  metrics: drawn('metrics-token'),
  query: drawn('query'),
  authorization: drawn('authorization'),
  cookie: drawn('cookie'),
  body: drawn('body'),
  drainHeader: drawn('drain-header'),
  drainPath: drawn('drain-path'),
  spansHeader: drawn('spans-header'),
  wrong: `tr_${drawn('wrong')}`,
};
const outputs: Record<string, string> = {};

let platform: TestPlatform;
let ada: TestUser;
let receiver: OtlpReceiver;

beforeAttempts(async () => {
  receiver = await OtlpReceiver.start();
  platform = await startPlatform({
    TRISIEL_RUNNERS: '1',
    TRISIEL_METRICS_TOKEN: secrets.metrics ?? '',
    TRISIEL_DRAIN_ALLOW: new URL(receiver.url).host,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces`,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${secrets.spansHeader}`,
  });
}, removeTemporaryFolders);
afterAll(async () => {
  await receiver.stop();
  await removeTemporaryFolders();
});

async function read(what: string, path: string): Promise<void> {
  const { status, body } = await api(platform, ada, 'GET', path);
  expect(status, path).toBe(200);
  outputs[what] = JSON.stringify(body);
}

async function change(method: string, path: string, body?: unknown): Promise<void> {
  const answer = await api(platform, ada, method, path, body);
  expect(answer.status, `${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
  outputs[`${method} ${path}`] = JSON.stringify(answer.body);
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

it('no secret of a whole run is in any output or file', async () => {
  const { password, next, variable, query, authorization, cookie, body, wrong } = secrets as Record<string, string>;
  const signed = await api(platform, null, 'POST', '/users', { name: 'ada', password });
  ada = { name: 'ada', token: (signed.body as { token: string }).token };
  secrets.token = ada.token;
  const made = await api(platform, ada, 'POST', '/tokens', { label: 'ci', scope: 'deploy' });
  secrets.ciToken = (made.body as { token: string }).token;
  const invited = await api(platform, ada, 'POST', '/invites', { uses: 1 });
  secrets.invite = (invited.body as { invite: string }).invite;
  await change('PUT', '/password', { current: password, next, endSessions: false });

  const repo = await makeRepo({ 'a.wasm': variables(['GREETING']) });
  const pushed = await push(platform, ada, repo, 'otter');
  expect(pushed.status, pushed.stderr).toBe(0);
  outputs['git push'] = pushed.stdout + pushed.stderr.replaceAll(remoteUrl(platform, ada, 'otter'), 'REMOTE');
  const refused = await git(repo, 'push', remoteUrl(platform, { name: 'ada', token: wrong ?? '' }, 'otter'), 'main');
  expect(refused.status).not.toBe(0);
  await change('PUT', '/handlers/otter/env/API_KEY', { value: variable });
  await change('PUT', '/handlers/otter/env/API_KEY?branch=feature', { value: secrets.preview });
  await change('PUT', '/handlers/otter/drains/there', {
    kind: 'webhook',
    url: `https://192.0.2.1/${secrets.drainPath}`,
    headers: { authorization: `Bearer ${secrets.drainHeader}` },
  });
  await change('PUT', '/handlers/otter/drains/taken', {
    kind: 'otlp',
    url: `${receiver.url}/v1/logs`,
    headers: { authorization: `Bearer ${secrets.drainHeader}` },
    requests: true,
  });
  const failing = await push(platform, ada, await makeRepo({ 'a.wasm': assemble(trapping) }), 'badger');
  expect(failing.status, failing.stderr).toBe(0);
  outputs['git push of another'] =
    failing.stdout + failing.stderr.replaceAll(remoteUrl(platform, ada, 'badger'), 'REMOTE');

  for (const handler of ['otter', 'badger'])
    await call(platform, handler, {
      method: 'POST',
      path: `/path?token=${query}&page=1`,
      headers: { authorization: `Bearer ${authorization}`, cookie: `session=${cookie}` },
      body: body ?? '',
    });
  expect((await api(platform, { name: 'x', token: wrong ?? '' }, 'GET', '/handlers')).status).toBe(401);
  expect((await api(platform, null, 'POST', '/sessions', { name: 'ada', password: wrong, label: 'x' })).status).toBe(
    401,
  );

  await expect
    .poll(async () => JSON.stringify((await api(platform, ada, 'GET', '/handlers/badger/logs?requests=true')).body))
    .toContain('/path');
  await receiver.until(() => receiver.requests.find(({ url, text }) => url === '/v1/logs' && text.includes('page=1')));
  await receiver.until(() => (receiver.spans.length >= 2 ? true : undefined));
  await read('account', '/whoami');
  await read('tokens', '/tokens');
  await read('invites', '/invites');
  await read('users', '/users');
  await read('audit', '/audit');
  await read('handlers', '/handlers');
  for (const handler of ['otter', 'badger']) {
    for (const part of [
      '',
      '/logs?requests=true',
      '/invocations',
      '/deployments',
      '/usage',
      '/audit',
      '/env',
      '/drains',
    ])
      await read(`${handler}${part}`, `/handlers/${handler}${part}`);
  }
  const metrics = await fetch(`${platform.controlUrl}/metrics`, {
    headers: { authorization: `Bearer ${secrets.metrics}` },
  });
  expect(metrics.status).toBe(200);
  outputs.metrics = await metrics.text();
  expect(await platform.stop()).toBe(0);
  outputs['log of the platform'] = platform.log();
  outputs['sent to receivers'] = receiver.requests.map(({ text }) => text).join('\n');

  // The search finds what is there.
  expect(outputs['badger/logs?requests=true']).toContain('page=1');
  const key = await readFile(join(platform.dataFolder, 'env.key'));
  const forms = [key.toString('latin1').trim(), key.toString('hex'), key.toString('base64')];
  for (const [place, text] of Object.entries(outputs)) {
    for (const [name, secret] of Object.entries(secrets))
      expect(text.includes(secret), `${name} in ${place}`).toBe(false);
    for (const form of forms) expect(text.includes(form), `the key in ${place}`).toBe(false);
  }
  const files = await filesOf(platform.dataFolder);
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    const bytes = await readFile(file);
    const place = relative(platform.dataFolder, file);
    for (const [name, secret] of Object.entries(secrets))
      expect(bytes.includes(secret), `${name} in ${place}`).toBe(false);
    if (place !== 'env.key') expect(bytes.includes(key), `the key in ${place}`).toBe(false);
  }
});

const trapping = `(module (func (export "cwa_main") (result i32) (unreachable)))`;
