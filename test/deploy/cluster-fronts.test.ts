/**
 * Real nginx and Caddy with the files of deploy/ for clusters, in front of two nodes' runners, of which one holds the
 * function: calls with their bodies reach the holder, and nothing that a caller or a function writes leads elsewhere.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../support/caddy.ts';
import { removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { call, compileWat, deploymentOf, root, TestFleet, writer } from '../support/fleet.ts';
import { blocksOf } from '../support/page-blocks.ts';
import { cwaGuest } from '../support/wat.ts';

/** Answers with its input. */
const echo = cwaGuest({
  body: `
    (local.set $fd (call $stdin))
    (loop $more
      (local.set $n (call $read (local.get $fd) (i32.const 1024) (i32.const 4096)))
      (if (i32.gt_s (local.get $n) (i32.const 0))
        (then
          (drop (call $write (call $stdout) (i32.const 1024) (local.get $n)))
          (br $more))))`,
});

interface Front {
  readonly program: string;
  readonly version: readonly string[];
  /** Returns the words that start it in the foreground at `port`, in `folder`, before the nodes. */
  start(options: {
    readonly folder: string;
    readonly port: number;
    readonly nodes: readonly string[];
  }): Promise<{ readonly words: readonly string[]; readonly env?: Readonly<Record<string, string>> }>;
}

const fronts: readonly Front[] = [
  {
    program: 'nginx',
    version: ['-v'],
    async start({ folder, port, nodes }) {
      const file = readFileSync(join(root, 'deploy/nginx/cluster.conf'), 'utf8')
        .replace('listen 443 ssl default_server;', `listen 127.0.0.1:${port};`)
        .replace(/\n\s*(listen \[::\]|ssl_certificate)[^\n]*/g, '')
        .replace(/\n\s*ssl_certificate[^\n]*/g, '')
        .replace('127.0.0.1:3003', nodes[0]!)
        .replace('127.0.0.1:3004', nodes[1]!);
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/t;`,
      );
      const whole = `daemon off; user ${userInfo().username}; pid ${folder}/pid; error_log stderr; events {}
        http { access_log off; ${paths.join(' ')} ${file} }`;
      await writeFile(join(folder, 'nginx.conf'), whole);
      return { words: ['-p', folder, '-c', join(folder, 'nginx.conf')] };
    },
  },
  {
    program: 'caddy',
    version: ['version'],
    async start({ folder, port, nodes }) {
      const file = readFileSync(join(root, 'deploy/caddy/Caddyfile.cluster'), 'utf8').replace(
        /https:\/\/ \{\s+tls \{[^}]*\}/,
        `http://:${port} {\n\tbind 127.0.0.1`,
      );
      await writeFile(join(folder, 'Caddyfile'), file);
      const [consolePort] = await freePorts(1);
      const console = { TRISIEL_CONSOLE: `http://console.example:${consolePort}` };
      return {
        words: ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
        env: { TRISIEL_CADDY_OPTIONS: 'admin off\nauto_https off', TRISIEL_FUNCTIONS: nodes.join(' '), ...console },
      };
    },
  },
];

/** What a function writes that tries to lead a proxy elsewhere. */
const misleading = (url: string): string => `Status: 421\nTrisiel-Node: ${url}\n\nof the function`;

function isAnswering(url: string): Promise<boolean> {
  return call(url).then(
    ({ status }) => status === 404,
    () => false,
  );
}

describe('fronts of clusters', () => {
  let holder: TestFleet;
  /** Address at which nothing listens. */
  let goneUrl: string;
  let other: TestFleet;
  let elsewhere: Server;
  let strayed = 0;

  beforeAll(async () => {
    elsewhere = createServer((_request, response) => {
      strayed += 1;
      response.end('strayed');
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const own = deploymentOf('own', await compileWat(writer(misleading(elsewhereUrl()))));
    holder = new TestFleet();
    await holder.start();
    await holder.deployWat('otter', echo);
    await holder.deployWat('heron', echo);
    await holder.deploy(own);
    goneUrl = `http://127.0.0.1:${(await freePorts(1))[0]}`;
    other = new TestFleet({
      releases: {
        changes: () => () => {},
        current: async () => ({
          ...{ specs: [own.spec], releases: [{ label: 'own', specId: own.spec.specId }] },
          ...{ known: [], moved: [], domains: [], owners: [] },
          elsewhere: [
            { label: 'otter', nodes: [holder.url], labels: '' },
            { label: 'heron', nodes: [goneUrl, goneUrl, holder.url], labels: '' },
            { label: 'egret', nodes: [goneUrl], labels: '' },
          ],
        }),
      },
    });
    other.artifacts.set(own.spec.artifact, own.bytes);
    await other.start();
  });
  afterAll(async () => {
    await Promise.all([holder?.stop(), other?.stop()]);
    elsewhere.close();
    await removeTemporaryFolders();
  });
  const elsewhereUrl = (): string => `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;

  for (const { program, version, start } of fronts) {
    const isThere = spawnSync(program, version, { stdio: 'ignore' }).status === 0;
    if (!isThere) console.log(`skipped: ${program} is not installed (apt-get install ${program})`);

    describe.skipIf(!isThere)(program, () => {
      let child: ChildProcess;
      let url: string;
      beforeAll(async () => {
        const [port] = await freePorts(1);
        url = `http://127.0.0.1:${port}`;
        const folder = await temporaryFolder();
        const nodes = [other, holder].map((fleet) => new URL(fleet.url).host);
        const { words, env = {} } = await start({ folder, port: port!, nodes });
        child = spawn(program, words, {
          stdio: ['ignore', 'ignore', 'pipe'],
          env: { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, ...env },
        });
        let errors = '';
        child.stderr?.on('data', (text) => {
          errors = `${errors}${text}`.slice(-10_000);
        });
        // It has no way to say that it serves.
        while (!(await isAnswering(`${url}/nobody/`))) {
          if (child.exitCode !== null) throw new Error(`${program} has ended: ${errors}`);
          await delay(50);
        }
      });
      afterAll(async () => {
        if (child === undefined || child.exitCode !== null) return;
        child.kill('SIGTERM');
        await once(child, 'exit');
      });

      test('calls and their bodies reach the node that holds the function, whichever is asked first', async () => {
        expect((await call(`${other.url}/otter/`)).status).toBe(421);
        for (const size of [0, 5, 300_000])
          for (let n = 0; n < 4; n += 1) {
            const body = String(n).repeat(size);
            const answer = await call(`${url}/otter/a?b=c`, { method: 'POST', body, headers: { 'x-n': String(n) } });
            expect([answer.status, answer.text === body]).toEqual([200, true]);
            expect(answer.headers['trisiel-node']).toBeUndefined();
          }
        for (let n = 0; n < 4; n += 1) expect((await call(`${url}/otter/`)).status).toBe(200);
      });

      test('a node that has gone fails no call while another one holds the function, with or without a body', async () => {
        for (let n = 0; n < 12; n += 1) {
          expect((await call(`${url}/heron/`)).status).toBe(200);
          const body = String(n).repeat(100_000);
          const answer = await call(`${url}/heron/`, { method: 'POST', body });
          expect([answer.status, answer.text === body]).toEqual([200, true]);
        }
        const atOnce = Array.from({ length: 24 }, () => call(`${url}/heron/`, { method: 'POST', body: 'x' }));
        expect(new Set((await Promise.all(atOnce)).map(({ status }) => status))).toEqual(new Set([200]));
        // Callers choose nothing: only the proxy says which node it has tried.
        expect((await call(`${other.url}/heron/`, { headers: { 'trisiel-tried': goneUrl } })).headers).toMatchObject({
          'trisiel-node': holder.url,
        });
        const headers = { 'trisiel-tried': holder.url };
        for (let n = 0; n < 4; n += 1) expect((await call(`${url}/heron/`, { headers })).status).toBe(200);
        const where = new Set<unknown>();
        for (let n = 0; n < 12; n += 1) {
          const answer = await call(`${other.url}/egret/`, { headers: { 'trisiel-tried': goneUrl } });
          where.add(answer.headers['trisiel-node']);
        }
        expect([...where]).toEqual([goneUrl]);
      });

      test('neither a caller nor a function names an address to it', async () => {
        const headers = { 'trisiel-node': elsewhereUrl() };
        for (const method of ['GET', 'POST'])
          for (let n = 0; n < 4; n += 1) {
            expect((await call(`${url}/own/`, { method, headers })).status).toBe(421);
            expect((await call(`${url}/otter/`, { method, headers })).status).toBe(200);
          }
        expect(strayed).toBe(0);
      });
    });
  }
});

describe('a block of a page for a proxy', () => {
  const has = { nginx: spawnSync('nginx', ['-v']).status === 0, caddy: spawnSync('caddy', ['version']).status === 0 };
  for (const [name, isThere] of Object.entries(has))
    if (!isThere) console.log(`skipped: blocks of pages for ${name}: it is not installed`);

  test.each(blocksOf('proxies'))('is read by $language: $page, line $line', async ({ language, text }) => {
    if (!has[language as keyof typeof has]) return;
    const folder = await temporaryFolder();
    const file = join(folder, 'front');
    // Names of the page's nodes are not known here.
    const block = text.replaceAll(/\bnode-\d/g, '127.0.0.1');
    const server = 'server { listen 127.0.0.1:8080; location / { proxy_pass http://trisiel_functions; } }';
    const whole =
      language === 'nginx' ? `pid ${folder}/pid; events {} http { ${block} ${server} }` : `:8080 {\n${block}\n}\n`;
    await writeFile(file, whole);
    const words =
      language === 'nginx'
        ? ['-t', '-q', '-p', folder, '-c', file]
        : ['validate', '--adapter', 'caddyfile', '--config', file];
    const { status, stderr } = spawnSync(language, words, { encoding: 'utf8', env: { ...process.env, HOME: folder } });
    expect(status, stderr).toBe(0);
  });
});
