/**
 * The platform behind real nginx with deploy/nginx/trisiel.conf, of which only addresses and files of certificates are
 * changed: a push, calls over HTTP/1.1 and HTTP/2, a log tail, addresses of clients.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../support/caddy.ts';
import { makeCertificates } from '../support/certificates.ts';
import {
  createUser,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { fixture, variables } from '../support/e2e-guests.ts';
import { clientAddress, forgedFields, HttpsFront } from '../support/https-front.ts';

const consoleHost = 'trisiel.example.com';
const base = 'functions.example.com';

const missing = spawnSync('nginx', ['-v']).status === 0 ? null : 'nginx is not installed (apt-get install nginx-light)';
if (missing !== null) console.log(`skipped: ${missing}`);

describe.skipIf(missing !== null)('behind nginx', () => {
  let platform: TestPlatform;
  let nginx: ChildProcess;
  let ada: TestUser;
  let front: HttpsFront;
  let port: number;
  let plainPort: number;

  beforeAll(async () => {
    [port, plainPort] = (await freePorts(2)) as [number, number];
    platform = await startPlatform({
      TRISIEL_DOMAIN: base,
      TRISIEL_URL: `https://${consoleHost}:${port}`,
      TRISIEL_RUN_URL: `https://${base}:${port}`,
      TRISIEL_TRUSTED_PROXIES: '127.0.0.1,::1',
    });
    ada = await createUser(platform, 'ada');
    front = new HttpsFront({
      ...{ port, console: consoleHost },
      tls: { rejectUnauthorized: false },
      gitSettings: ['http.sslVerify=false'],
    });
    const folder = await temporaryFolder();
    const { cert, key } = makeCertificates();
    await writeFile(join(folder, 'cert.pem'), cert);
    await writeFile(join(folder, 'key.pem'), key);
    const own = readFileSync(join(import.meta.dirname, '../../deploy/nginx/trisiel.conf'), 'utf8')
      .replaceAll(/^\s*listen \[::\].*\n/gm, '')
      .replaceAll('listen 443', `listen 127.0.0.1:${port}`)
      .replaceAll('listen 80', `listen 127.0.0.1:${plainPort}`)
      .replaceAll(/(ssl_certificate) .*;/g, `$1 ${folder}/cert.pem;`)
      .replaceAll(/(ssl_certificate_key) .*;/g, `$1 ${folder}/key.pem;`)
      .replace('127.0.0.1:3002', new URL(platform.controlUrl).host)
      .replace('127.0.0.1:3003', new URL(platform.runUrl).host);
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/t;`);
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; user ${userInfo().username}; pid ${folder}/pid; error_log stderr; events {}
        http { access_log off; ${paths.join(' ')} ${own} }`,
    );
    nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    nginx.stderr?.on('data', (text) => {
      errors = `${errors}${text}`.slice(-10_000);
    });
    // It has no way to say that it serves.
    while (
      !(await front.get(consoleHost, '/healthz').then(
        ({ status }) => status === 200,
        () => false,
      ))
    ) {
      if (nginx.exitCode !== null) throw new Error(`nginx has ended: ${errors}`);
      await delay(50);
    }
  });
  afterAll(async () => {
    if (nginx !== undefined && nginx.exitCode === null) {
      nginx.kill('SIGTERM');
      await once(nginx, 'exit');
    }
    await platform?.stop();
    await removeTemporaryFolders();
  });

  test('a push over HTTPS deploys, and is told the public URL', async () => {
    const shown = variables(['REMOTE_ADDR', 'HTTPS', 'QUERY_STRING', 'HTTP_FORWARDED']);
    expect(await front.push(ada, 'otter', shown, 'HTTP/2')).toContain(`https://otter.${base}:${port}`);
    await front.push(ada, 'badger', await fixture('cwa/log.wasm'), 'HTTP/2');
  });

  test('functions answer over HTTP/1.1 and HTTP/2, and know that it was HTTPS', async () => {
    const first = await front.get(`otter.${base}`, '/a?b=c');
    expect(first).toMatchObject({ status: 200, body: expect.stringContaining('HTTPS=on') });
    const second = await front.getHttp2(`otter.${base}`, '/a?b=c');
    expect(second).toMatchObject({ status: 200, body: expect.stringContaining('HTTPS=on') });
    expect(second.body).toContain('QUERY_STRING=b=c');
  });

  test("the guest sees the client's address, whatever the client writes into forwarding fields", async () => {
    const { body } = await front.get(`otter.${base}`, '/', forgedFields);
    expect(body).toContain(`REMOTE_ADDR=${clientAddress}`);
    expect(body).toContain('HTTPS=on');
    expect(body).not.toContain('192.0.2.66');
    // What is for this machine alone stays so.
    for (const path of ['/metrics', `/tls/ask?domain=${base}`])
      expect((await front.get(consoleHost, path, forgedFields)).status, path).toBe(403);
  });

  test('the log is tailed over a WebSocket', async () => {
    const line = await front.firstLine(ada, 'badger', async () => {
      expect((await front.get(`badger.${base}`)).status).toBe(200);
    });
    expect(line).not.toBe('');
  });

  test('plain HTTP is redirected', async () => {
    const response = await fetch(`http://127.0.0.1:${plainPort}/a?b=c`, { redirect: 'manual' });
    expect(response.status).toBe(308);
    expect(response.headers.get('location')).toMatch(/^https:.*\/a\?b=c$/);
  });
});
