/**
 * The libraries in guests/: the example of each is built, pushed and called; so are those of docs/guest-libraries.md.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cwa } from '../../src/guest/kernel/abi/cwa/cwa.ts';
import {
  api,
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
  temporaryFolder,
} from '../support/e2e.ts';
import { npmMissing } from '../support/npm-registry.ts';
import { blocksOf } from '../support/page-blocks.ts';
import { rust } from '../support/rust.ts';

const guests = join(import.meta.dirname, '../../guests');

/** A library: why its example cannot be built here, or what builds it in a copy of its folder; the module's path. */
interface Library {
  readonly missing: () => string | null;
  readonly build: (folder: string) => void;
  readonly module: string;
}

function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

const freestanding = ['--target=wasm32', '-nostdlib', '-ffreestanding', '-Wl,--no-entry', '-Wl,--strip-debug'];
const strict = ['-Wall', '-Wextra', '-Werror', '-O2'];

const probe = join(tmpdir(), 'trisiel-probe-guest.wasm');

function cannotBuildC(): string | null {
  const { status, error } = spawnSync('clang', [...freestanding, '-xc', '-', '-o', probe], { input: '' });
  if (error !== undefined) return 'clang is not installed';
  return status === 0 ? null : 'clang cannot make WebAssembly (lld is missing)';
}

function buildC(cwd: string): void {
  run('clang', [...freestanding, ...strict, '-o', 'function.wasm', 'example.c'], { cwd });
}

function cannotBuildRust(): string | null {
  return rust() === null ? 'Rust or its target is missing (Debian: rustc, cargo, libstd-rust-dev-wasm32)' : null;
}

function buildRust(cwd: string): void {
  const { env, target } = rust() ?? { env: process.env, target: '' };
  const args = ['build', '--quiet', '--offline', '--release', '--target', target, '--example', 'example'];
  run('cargo', [...args, '--target-dir', 'target'], { cwd, env });
  cpSync(join(cwd, 'target', target, 'release/examples/example.wasm'), join(cwd, 'function.wasm'));
}

const libraries: Readonly<Record<string, Library>> = {
  c: {
    missing: cannotBuildC,
    build: buildC,
    module: 'function.wasm',
  },
  'c++': {
    missing: cannotBuildC,
    build: (cwd) =>
      void run('clang', [...freestanding, ...strict, '-xc++', '-o', 'function.wasm', 'example.c'], { cwd }),
    module: 'function.wasm',
  },
  rust: {
    missing: cannotBuildRust,
    build: buildRust,
    module: 'function.wasm',
  },
  go: {
    missing: () =>
      /go1\.(?:2[1-9]|[3-9]\d)/.test(String(spawnSync('go', ['version']).stdout))
        ? null
        : 'Go 1.21 is missing; Debian stable has an earlier one',
    build: (cwd) => {
      const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', GOFLAGS: '-mod=mod', GOPROXY: 'off' };
      run('go', ['build', '-ldflags=-s -w', '-o', 'function.wasm', './example'], { cwd, env });
    },
    module: 'function.wasm',
  },
  assemblyscript: {
    missing: npmMissing,
    build: (cwd) => {
      run('npm', ['install', '--silent', '--no-save', '--prefix', cwd, 'assemblyscript'], { cwd });
      const asc = join(cwd, 'node_modules/.bin/asc');
      run(asc, ['example.ts', '--optimize', '--use', 'abort=', '--outFile', 'function.wasm'], { cwd });
    },
    module: 'function.wasm',
  },
};

it('the header of C, the crate and the page of the ABI have the same system calls', () => {
  const wanted = [...new Set(cwa.syscalls.map(({ name }) => name))].sort();
  const header = readFileSync(join(guests, 'c/trisiel.h'), 'utf8');
  const inC = [...header.matchAll(/TRISIEL_CALL\((\w+)\) .*\bcwa_(\w+)\(/g)];
  expect(inC.every(([, imported, declared]) => imported === declared)).toBe(true);
  expect(inC.map(([, name]) => name).sort()).toEqual(wanted);
  const crate = readFileSync(join(guests, 'rust/src/lib.rs'), 'utf8');
  const inRust = [...crate.matchAll(/^ {8}pub fn (\w+)\(/gm)].map(([, name]) => name);
  expect(inRust.sort()).toEqual(wanted);
});

describe('the example of a library', () => {
  let upstream: Server;
  let platform: TestPlatform;
  let user: TestUser;
  let upstreamUrl: string;
  beforeAll(async () => {
    upstream = createServer(async (request, response) => {
      const body = (await request.toArray()).join('');
      response.end(`${request.method} ${request.url} ${request.headers['content-type']}: ${body}\n`);
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo;
    upstreamUrl = `http://127.0.0.1:${port}?a=1#follow`;
    platform = await startPlatform({ TRISIEL_RUNNERS: '1', TRISIEL_EGRESS_ALLOW: `127.0.0.1:${port}` });
    user = await createUser(platform);
  });
  afterAll(async () => {
    upstream?.close();
    await removeTemporaryFolders();
  });

  for (const [name, library] of Object.entries(libraries)) {
    const why = library.missing();
    if (why !== null) process.stderr.write(`skipped: the guest library of ${name}: ${why}\n`);
    it.skipIf(why !== null)(`of ${name} uses the store, a queue, a request and the log`, async () => {
      const folder = await temporaryFolder();
      cpSync(join(guests, name === 'c++' ? 'c' : name), folder, { recursive: true });
      library.build(folder);
      const handler = `library-${name.replaceAll('+', 'p')}`;
      const module = readFileSync(join(folder, library.module));
      const manifest = `[env]\nUPSTREAM = "${upstreamUrl}"\n`;
      const repo = await makeRepo({ 'function.wasm': module, 'wasmcloud.toml': manifest });
      expect((await api(platform, user, 'POST', '/handlers', { name: handler })).status).toBe(201);
      const pushed = await push(platform, user, repo, handler);
      expect(pushed.stderr).toContain('success: live');
      const before = await messagesSeen();
      const told = 'upstream 200 POST /?a=1 text/plain: ping\n';
      expect(await call(platform, handler, { path: '/x' })).toMatchObject({
        status: 200,
        body: `call 1 at /x\n${told}`,
      });
      expect(await call(platform, handler, { path: '/y' })).toMatchObject({
        status: 200,
        body: `call 2 at /y\n${told}`,
      });
      expect(await messagesSeen()).toBe(before + 2);
      // Lines reach the log after the answer.
      await expect
        .poll(
          async () => {
            const page = await api(platform, user, 'GET', `/handlers/${handler}/logs?grep=answered`);
            const { lines } = page.body as { lines: readonly { level: number; text: string }[] };
            return lines.map(({ level, text }) => [level, text]);
          },
          { timeout: 60_000 },
        )
        .toEqual(expect.arrayContaining([[6, 'answered']]));
    });
  }

  /**
   * Builds a program in the place of a library's example and pushes it; a handler of that name is made for the first
   * one.
   */
  async function deploy(handler: string, library: 'c' | 'rust', program: string): Promise<void> {
    const folder = await temporaryFolder();
    cpSync(join(guests, library), folder, { recursive: true });
    writeFileSync(join(folder, library === 'c' ? 'example.c' : 'examples/example.rs'), program);
    libraries[library]?.build(folder);
    await api(platform, user, 'POST', '/handlers', { name: handler });
    const repo = await makeRepo({ 'function.wasm': readFileSync(join(folder, 'function.wasm')) });
    expect((await push(platform, user, repo, handler, '+HEAD:main')).stderr).toContain('success: live');
  }

  const inBook = blocksOf('libraries');
  it('of the book is in C or in Rust', () => {
    expect(inBook.map(({ language }) => language).sort()).toEqual(['c', 'rust']);
  });

  it.skipIf(cannotBuildC() !== null)('of the book in C answers, and stores what it says', async () => {
    await deploy('book-c', 'c', inBook.find(({ language }) => language === 'c')?.text ?? '');
    expect(await call(platform, 'book-c', { path: '/' })).toMatchObject({ status: 200, body: 'Hello\n' });
    const reader = `#include "trisiel.h"
int CWA_MAIN(void) {
  char value[4] = "";
  trisiel_kv_get("greeted", "last", value, 3);
  int32_t out = cwa_io_get_stdout();
  trisiel_print(out, "Content-Type: text/plain\\n\\n");
  return trisiel_print(out, value);
}
`;
    await deploy('book-c', 'c', reader);
    expect(await call(platform, 'book-c', { path: '/' })).toMatchObject({ status: 200, body: 'you' });
  });

  it.skipIf(cannotBuildRust() !== null)('of the book in Rust stores, publishes and asks', async () => {
    const [uses = '', ...rest] = inBook.find(({ language }) => language === 'rust')?.text.split('\n\n') ?? [];
    const example = 'https://example.com/';
    expect(rest.join()).toContain(`"${example}"`);
    // What a page leaves out: the function around it, and the number that it stores.
    const program = `${uses}
fn main() -> Result<(), Box<dyn std::error::Error>> {
let calls: u64 = 7;
${rest.join('\n').replace(example, upstreamUrl)}
let kept = kv::get("counter", "calls")? == Some(calls.to_le_bytes().to_vec());
println!("Content-Type: text/plain\\n\\n{kept} {}", answer.status);
Ok(())
}
`;
    const before = await messagesSeen();
    await deploy('book-rust', 'rust', program);
    expect(await call(platform, 'book-rust', { path: '/' })).toMatchObject({ status: 200, body: 'true 200\n' });
    expect(await messagesSeen()).toBe(before + 1);
  });

  async function messagesSeen(): Promise<number> {
    const { body } = await api(platform, user, 'GET', '/queues/seen/messages');
    return (body as { messages?: readonly unknown[] }).messages?.length ?? 0;
  }
});
