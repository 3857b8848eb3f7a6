import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { validated } from '../../../../src/control/deploy/push-words.ts';
import { forModule, type VetLimits, vetLimits } from '../../../../src/control/deploy/vet/limits.ts';
import { residentBytes } from '../../../../src/control/deploy/vet/resident-bytes.ts';
import { VetPool } from '../../../../src/control/deploy/vet/vet-pool.ts';
import { pushLimits } from '../../../../src/protocol/limits.ts';
import { artifactName } from '../../../../src/protocol/module.ts';
import { wat } from '../../../support/wasm.ts';

const never = new AbortController().signal;
const cacheFolder = join(tmpdir(), 'trisiel-test-vet-cache');
let hello: Buffer;
beforeAll(async () => {
  hello = await readFile(new URL('../../../../fixtures/guests/cwa/hello.wasm', import.meta.url));
});

function request(bytes: Uint8Array = hello) {
  return { bytes, name: 'dist/hello.wasm', docsUrl: 'http://localhost:3002/docs/imports' };
}

async function withPool<T>(
  options: { readonly program?: string; readonly limits?: Partial<VetLimits> },
  work: (pool: VetPool) => Promise<T>,
): Promise<T> {
  const program = options.program === undefined ? {} : { program: child(options.program) };
  const pool = new VetPool({ cacheFolder, limits: options.limits ?? {}, ...program });
  try {
    return await work(pool);
  } finally {
    pool.close();
  }
}

function child(name: string): string {
  return fileURLToPath(new URL(`../../../support/vet-children/${name}`, import.meta.url));
}

/** Processes that run `program`. */
function running(program: string): number {
  const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(program) && line.includes('--permission')).length;
}

it('links a component, and names its Artifact after meter and linker', async () => {
  const component = await readFile(new URL('../../../../fixtures/guests/component/http.wasm', import.meta.url));
  await withPool({}, async (pool) => {
    const vetted = await pool.vet(request(component), never);
    expect(vetted.module.originalBytes).toBe(component.length);
    expect(vetted.module.plan.entry).toEqual({ name: '_start', returnsStatus: false, isHttp: true });
    expect(artifactName(vetted.module)).toMatch(/^[0-9a-f]{64}-m\d+-l\d+$/);
    expect(validated(vetted)).toMatch(
      /^validated: component, wasi:http 0\.2\.12, \d+ imports, all provided \(\d+ ms\)$/,
    );
  });
});

it('gives a large module more memory and time, in proportion to its size', () => {
  const { rssBytes, timeoutMs } = vetLimits;
  const { largeModuleBytes, moduleBytes } = pushLimits;
  expect(forModule(vetLimits, largeModuleBytes)).toEqual(vetLimits);
  expect(forModule(vetLimits, moduleBytes)).toMatchObject({ rssBytes: 2 * rssBytes, timeoutMs: timeoutMs + 32_000 });
});

describe('VetPool', () => {
  it('gives the rewritten module, what it is, and how long that took', async () => {
    const vetted = await withPool({}, (pool) => pool.vet(request(), never));
    expect(vetted.module).toMatchObject({ originalBytes: hello.length, plan: { abis: ['cwa'] } });
    expect(vetted.module.plan.imports).toHaveLength(3);
    expect(WebAssembly.validate(Uint8Array.from(vetted.bytes))).toBe(true);
    expect(Buffer.from(vetted.bytes).equals(hello)).toBe(false);
    expect(vetted.rewriteMs).toBeGreaterThan(0);
    expect(vetted.module.codeBytes).toBeGreaterThan(0);
    expect(vetted.module.instantiationUs).toBeGreaterThan(0);
  });

  it("passes on the child's refusal with its code, details and hints", async () => {
    const refusal = withPool({}, (pool) => pool.vet(request(Buffer.from('<!doctype html>')), never));
    await expect(refusal).rejects.toMatchObject({
      code: 'module_invalid',
      message: 'dist/hello.wasm is not a valid WebAssembly module',
      details: ['expected magic word 00 61 73 6d, found 3c 21 64 6f @+0'],
      hints: ['the file starts with "<!do": this looks like HTML'],
    });
  });

  it('refuses a module whose start traps or uses up the gas of a call, in a child that may write nothing', async () => {
    const { bytes } = request(wat('(module (func $boot unreachable) (start $boot) (func (export "_start")))'));
    await expect(withPool({}, (pool) => pool.vet(request(bytes), never))).rejects.toMatchObject({
      code: 'module_invalid',
      message: 'dist/hello.wasm cannot start: its start function traps: unreachable in boot',
    });
    const endless = wat('(module (func (export "_initialize") (loop $again br $again)) (func (export "_start")))');
    const limits = { gas: 1_000_000, memoryPages: 16 };
    await expect(withPool({}, (pool) => pool.vet({ ...request(endless), limits }, never))).rejects.toMatchObject({
      message: 'dist/hello.wasm cannot start: its _initialize uses more than the 1,000,000 gas of a call',
    });
  });

  it('kills a child that takes too much memory, and says how much', async () => {
    const limits = { rssBytes: 256 * 1024 * 1024 };
    const error = await withPool({ program: 'hog.ts', limits }, (pool) => pool.vet(request(), never)).catch((e) => e);
    expect(error).toMatchObject({ code: 'vet_failed' });
    expect(error.message).toMatch(/^checking dist\/hello\.wasm took more than 256 MiB of memory \(\d+ MiB when/);
  });

  it('kills a child that takes too long, and says how long it had', async () => {
    const limits = { timeoutMs: 300 };
    const error = await withPool({ program: 'hang.ts', limits }, (pool) => pool.vet(request(), never)).catch((e) => e);
    expect(error).toMatchObject({ code: 'vet_failed' });
    expect(error.message).toBe('checking dist/hello.wasm took longer than 0.3 s and was stopped');
  });

  it('survives a child that crashes, and serves the next push with another', async () => {
    await withPool({ program: 'die.ts' }, async (pool) => {
      for (let round = 0; round < 2; round += 1)
        await expect(pool.vet(request(), never)).rejects.toMatchObject({ code: 'vet_failed' });
    });
  });

  it('ends a check whose push has gone', async () => {
    await withPool({ program: 'hang.ts' }, async (pool) => {
      const gone = new AbortController();
      const checking = pool.vet(request(), gone.signal);
      gone.abort();
      await expect(checking).rejects.toMatchObject({ code: 'bad_request' });
    });
  });

  it('lets only so many wait', async () => {
    await withPool({ program: 'hang.ts', limits: { children: 1, waiting: 1, timeoutMs: 500 } }, async (pool) => {
      const results = await Promise.allSettled([1, 2, 3].map(() => pool.vet(request(), never)));
      const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok'));
      expect(codes).toEqual(['vet_failed', 'vet_failed', 'overloaded']);
    });
  });

  it('leaves no process behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vet-'));
    const pool = new VetPool({ cacheFolder: folder, program: child('hang.ts') });
    expect(running(folder)).toBe(1);
    pool.close();
    while (running(folder) > 0) await new Promise((resolve) => setImmediate(resolve));
    await rm(folder, { recursive: true });
  });

  it('knows how much memory a process has', async () => {
    expect(await residentBytes(process.pid)).toBeGreaterThan(10 * 1024 * 1024);
    expect(await residentBytes(2 ** 22 + 1)).toBe(0);
  });

  it('gives a child the program and nothing else: no other file of the checkout, no process, no environment', async () => {
    const error = await withPool({ program: 'pry.ts' }, (pool) => pool.vet(request(), never)).catch((e) => e);
    expect(error.cause.message.split(' ')).toEqual([
      'src:allowed',
      'checkout:ERR_ACCESS_DENIED',
      'data:ERR_ACCESS_DENIED',
      'system:ERR_ACCESS_DENIED',
      'spawn:ERR_ACCESS_DENIED',
      'env:NODE_COMPILE_CACHE',
    ]);
  });

  it('lets a child that has taken a module write nothing, the cache that later children execute included', async () => {
    const error = await withPool({ program: 'write-cache.ts' }, (pool) => pool.vet(request(), never)).catch((e) => e);
    expect(error.cause.message).toBe('write:ERR_ACCESS_DENIED append:ERR_ACCESS_DENIED');
  });
});
