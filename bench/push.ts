/**
 * Push to live: the whole `git push`, from the command to its end with the function serving, against the
 * same push to a plain bare repository behind `git http-backend` on the same machine in the same run.
 * `npm run bench -- push`
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPlatformChild } from '../src/bin/platform-child.ts';
import { moduleOf } from './modules.ts';
import { median } from './statistics.ts';

const rounds = Number(process.env.ROUNDS ?? 15);
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'trisiel-bench-push-'));
const environment = { ...process.env, HOME: folder, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
const git = (cwd: string, ...args: string[]) =>
  run('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args], { cwd, env: environment });

/** Starts a plain git server: git's own CGI program behind node:http. */
async function plainServer(root: string): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const child = spawn('git', ['http-backend'], {
      env: {
        ...environment,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        ...(request.headers['content-length'] === undefined
          ? {}
          : { CONTENT_LENGTH: request.headers['content-length'] }),
        REMOTE_USER: 'bench',
      },
    });
    request.pipe(child.stdin);
    child.stdin.on('error', () => {});
    let head = Buffer.alloc(0);
    let isSent = false;
    child.stdout.on('data', (chunk: Buffer) => {
      if (isSent) return void response.write(chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      for (const line of head.toString('latin1', 0, end).split('\r\n')) {
        const [name = '', value = ''] = line.split(/: (.*)/);
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      isSent = true;
      response.write(head.subarray(end + 4));
    });
    child.on('close', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

const platform = await startPlatformChild({
  TRISIEL_DATA: join(folder, 'data'),
  TRISIEL_PORT: '0',
  TRISIEL_RUN_PORT: '0',
  TRISIEL_REGISTRATION: 'open',
});
try {
  const plain = await plainServer(join(folder, 'plain'));
  const signedUp = await fetch(`${platform.controlUrl}/api/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', password: 'correct horse battery' }),
  });
  const { token } = (await signedUp.json()) as { token: string };
  console.log('module       trisiel ms  plain ms  ratio   (medians)');
  for (const [name, functions, times] of [
    ['1 KB', 1, rounds],
    ['1 MB', 1_100, Math.ceil(rounds / 3)],
    ['13 MB', 14_300, Math.ceil(rounds / 5)],
  ] as const) {
    const repo = await mkdtemp(join(folder, 'repo-'));
    await git(repo, 'init', '-q', '-b', 'main');
    const bare = `plain-${functions}.git`;
    await git(folder, 'init', '-q', '--bare', join(folder, 'plain', bare));
    await git(join(folder, 'plain', bare), 'config', 'http.receivepack', 'true');
    const trisiel = platform.controlUrl.replace('://', `://x:${token}@`);
    const ours: number[] = [];
    const theirs: number[] = [];
    let bytes = 0;
    for (let round = 0; round <= times; round += 1) {
      const module = moduleOf(functions, round);
      bytes = module.length;
      await writeFile(join(repo, 'a.wasm'), module);
      await git(repo, 'add', 'a.wasm');
      await git(repo, 'commit', '-q', '-m', `${round}`);
      for (const [url, figures] of [
        [`${trisiel}/bench-${functions}.git`, ours],
        [`${plain.url}/${bare}`, theirs],
      ] as const) {
        const before = performance.now();
        await git(repo, 'push', '-q', url, 'main');
        // The first round warms up both.
        if (round > 0) figures.push(performance.now() - before);
      }
    }
    const [a, b] = [median(ours), median(theirs)];
    const size = `${name} (${(bytes / 1e6).toFixed(1)})`;
    console.log(
      `${size.padEnd(14)}${a.toFixed(0).padStart(9)}${b.toFixed(0).padStart(10)}${(a / b).toFixed(1).padStart(7)}`,
    );
  }
  plain.close();
} finally {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
}
