/**
 * The platform behind real nginx with deploy/nginx/trisiel.conf, of which only addresses and files of certificates are changed:
 * a push, calls over HTTP/1.1 and HTTP/2, a log tail, addresses of clients.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2, constants } from 'node:http2';
import { request } from 'node:https';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { LogFrame } from '../../src/protocol/nouns.ts';
import { freePorts } from '../support/caddy.ts';
import { makeCertificates } from '../support/certificates.ts';
import {
  createUser,
  git,
  makeRepo,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { fixture, variables } from '../support/e2e-guests.ts';

const consoleHost = 'trisiel.example.com';
const base = 'functions.example.com';
/** Address of the test's client. */
const client = '127.0.0.2';

const missing = spawnSync('nginx', ['-v']).status === 0 ? null : 'nginx is not installed (apt-get install nginx-light)';
if (missing !== null) console.log(`skipped: ${missing}`);

describe.skipIf(missing !== null)('behind nginx', () => {
  let platform: TestPlatform;
  let nginx: ChildProcess;
  let ada: TestUser;
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
      !(await get(consoleHost, '/healthz').then(
        ({ status }) => status === 200,
        () => false,
      ))
    ) {
      if (nginx.exitCode !== null) throw new Error(`nginx has ended: ${errors}`);
      await delay(50);
    }
  }, 120_000);
  afterAll(async () => {
    if (nginx !== undefined && nginx.exitCode === null) {
      nginx.kill('SIGTERM');
      await once(nginx, 'exit');
    }
    await platform?.stop();
    await removeTemporaryFolders();
  });

  function get(
    host: string,
    path = '/',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          ...{ host: '127.0.0.1', port, servername: host, localAddress: client, path, agent: false },
          ...{ rejectUnauthorized: false, headers: { host: `${host}:${port}`, ...headers } },
        },
        (response) => {
          response.toArray().then((chunks) => {
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
          }, reject);
        },
      );
      asked.once('error', reject);
      asked.end();
    });
  }

  async function push(handler: string, guest: Uint8Array): Promise<string> {
    const repo = await makeRepo({ 'a.wasm': guest });
    const url = `https://wasmcloud:${ada.token}@${consoleHost}:${port}/${handler}.git`;
    const own = [`http.curloptResolve=${consoleHost}:${port}:127.0.0.1`, 'http.sslVerify=false', 'http.version=HTTP/2'];
    const result = await git(repo, ...own.flatMap((one) => ['-c', one]), 'push', url, 'main');
    expect(result.status, result.stderr).toBe(0);
    return result.stderr;
  }

  test('a push over HTTPS deploys, and is told the public URL', async () => {
    const shown = variables(['REMOTE_ADDR', 'HTTPS', 'QUERY_STRING', 'HTTP_FORWARDED']);
    expect(await push('otter', shown)).toContain(`https://otter.${base}:${port}`);
    await push('badger', await fixture('cwa/log.wasm'));
  });

  test('functions answer over HTTP/1.1 and HTTP/2, and know that it was HTTPS', async () => {
    const first = await get(`otter.${base}`, '/a?b=c');
    expect(first).toMatchObject({ status: 200, body: expect.stringContaining('HTTPS=on') });
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    try {
      const stream = session.request({
        [constants.HTTP2_HEADER_PATH]: '/a?b=c',
        [constants.HTTP2_HEADER_AUTHORITY]: `otter.${base}:${port}`,
      });
      const body = Buffer.concat(await stream.toArray()).toString();
      expect(session.alpnProtocol).toBe('h2');
      expect(body).toContain('HTTPS=on');
      expect(body).toContain('QUERY_STRING=b=c');
    } finally {
      session.close();
    }
  });

  test("the guest sees the client's address, whatever the client writes into forwarding fields", async () => {
    const written = {
      forwarded: 'for=192.0.2.66;proto=http',
      'x-forwarded-for': '192.0.2.66',
      'x-forwarded-proto': 'http',
    };
    const { body } = await get(`otter.${base}`, '/', written);
    expect(body).toContain(`REMOTE_ADDR=${client}`);
    expect(body).toContain('HTTPS=on');
    expect(body).not.toContain('192.0.2.66');
    // What is for this machine alone stays so.
    for (const path of ['/metrics', `/tls/ask?domain=${base}`])
      expect((await get(consoleHost, path, written)).status, path).toBe(403);
  });

  test('the log is tailed over a WebSocket', async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/api/v1/handlers/badger/logs/stream?after=0`, {
      ...{ rejectUnauthorized: false, servername: consoleHost },
      headers: { host: `${consoleHost}:${port}`, authorization: `Bearer ${ada.token}` },
    });
    try {
      const line = new Promise<string>((resolve) => {
        socket.on('message', (data) => {
          const { lines } = JSON.parse(String(data)) as LogFrame;
          const own = lines.find(({ stream }) => stream !== 'platform');
          if (own !== undefined) resolve(own.text);
        });
      });
      await once(socket, 'open');
      expect((await get(`badger.${base}`)).status).toBe(200);
      expect(await line).not.toBe('');
    } finally {
      socket.terminate();
    }
  });

  test('plain HTTP is redirected', async () => {
    const response = await fetch(`http://127.0.0.1:${plainPort}/a?b=c`, { redirect: 'manual' });
    expect(response.status).toBe(308);
    expect(response.headers.get('location')).toMatch(/^https:.*\/a\?b=c$/);
  });
});
