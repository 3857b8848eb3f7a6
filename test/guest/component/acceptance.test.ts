/**
 * What holds for modules holds for components: exact gas, many waits at once, deadlines, instances that are used again.
 */
import { describe, expect, it } from 'vitest';
import { vetProgram } from '../../../src/guest/component/vet-program.ts';
import { abis } from '../../../src/guest/kernel/abi/all.ts';
import { providedInterfaces } from '../../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { Errno } from '../../../src/guest/kernel/errno.ts';
import type { Resource } from '../../../src/guest/kernel/resource.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { RecordedHttp, type RequestOptions, SlowClient } from '../../support/incoming-http.ts';
import { fixture, type GuestOptions, type runGuest, runVetted } from '../../support/run-guest.ts';

const vetted = (name: string) =>
  vetProgram(fixture(`component/${name}`), { provided: providedFunctions, ...providedInterfaces });

const components = { http: vetted('http'), http3: vetted('http3'), cgi: vetted('cgi'), cli3: vetted('cli3') };

/** Answers one request with a component. */
async function answer(name: 'http' | 'http3', request: RequestOptions, options: GuestOptions = {}) {
  const http = new RecordedHttp(request);
  const run = await runVetted(components[name], { ...options, http });
  return { ...run, http };
}

describe('a program of WASI 0.3', () => {
  it('that waits inside, in synchronous copies, keeps the contract of standard streams', async () => {
    const run = await runVetted(components.cli3, { stdin: 'some words\n'.repeat(1000) });
    expect(run.end).toEqual({ kind: 'exit', status: 0 });
    expect(run.stdout.toString()).toBe('SOME WORDS\n'.repeat(1000));
    expect(run.stderr.toString()).toBe('11000\n');
  });

  it('ends with the status of its result', async () => {
    expect((await runVetted(components.cli3, {})).end).toEqual({ kind: 'exit', status: 1 });
  });
});

describe('a program of preview 1 behind the adapter', () => {
  it('finds an empty variable empty, wherever it stands', async () => {
    const envs: readonly Readonly<Record<string, string>>[] = [
      { REQUEST_METHOD: '', OTHER: 'value' },
      { A: '', REQUEST_METHOD: '', B: 'value' },
      { A: '', REQUEST_METHOD: 'GET', B: '' },
    ];
    const methods: unknown[] = [];
    for (const env of envs) {
      const { stdout } = await runVetted(components.cgi, { stdin: 'words', env });
      methods.push(/^X-Method: (.*)$/m.exec(stdout.toString())?.[1]);
    }
    expect(methods).toEqual(['', '', 'GET']);
  });
});

describe('gas', () => {
  const cases: readonly (readonly [string, (gas?: number) => ReturnType<typeof runGuest>])[] = [
    ['http', (gas) => answer('http', { method: 'POST', body: 'some words' }, limited(gas))],
    ['http3', (gas) => answer('http3', { pathWithQuery: '/copy', body: 'some words' }, limited(gas))],
    ['cgi', (gas) => runVetted(components.cgi, { stdin: 'some words', env: { QUERY_STRING: 'a=b' }, ...limited(gas) })],
    ['cli3', (gas) => runVetted(components.cli3, { stdin: 'some words', ...limited(gas) })],
  ];
  function limited(gas: number | undefined): GuestOptions {
    return gas === undefined ? {} : { limits: { gas } };
  }

  it.each(cases)('of %s: a limit of what was used passes, one less does not', async (_name, run) => {
    const { used } = (await run()).guest.meter;
    expect(used).toBeGreaterThan(100);
    const exact = await run(used);
    expect([exact.end.kind, exact.guest.meter.used]).toEqual(['exit', used]);
    expect((await run(used - 1)).end).toMatchObject({ kind: 'gas', limit: used - 1 });
  });
});

describe('a client that takes nothing', () => {
  it.each([
    ['http', '/'],
    ['http3', '/copy'],
    ['http3', '/echo'],
  ] as const)('makes %s wait, which reads no more of a body without end: %s', async (name, pathWithQuery) => {
    const client = new SlowClient(1_000);
    const sent = 3 * MIB;
    let read = 0;
    let isAll = false;
    const body: Resource = {
      scheme: 'http',
      // Without end until the client takes again.
      read: (bytes) => {
        if (isAll && read >= sent) return Errno.end;
        bytes.fill(0x61);
        read += bytes.length;
        return bytes.length;
      },
      write: () => -1,
      flush: () => 0,
      close: () => 0,
    };
    const running = answer(name, { method: 'POST', pathWithQuery, body, target: client.target });
    await client.full;
    // What is not waiting for the client goes on in these turns of the event loop.
    for (let turn = 0; turn < 2_000; turn += 1) await new Promise(setImmediate);
    expect(client.taken.length).toBe(1_000);
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(MIB);
    isAll = true;
    client.makeRoom(Number.MAX_SAFE_INTEGER);
    expect((await running).end).toEqual({ kind: 'exit', status: 0 });
    expect([read, client.taken.length]).toEqual([client.taken.length, read]);
    expect(read).toBeGreaterThanOrEqual(sent);
  });
});

describe('waits', () => {
  it('of 1,000 components at once all end', async () => {
    const runs = Array.from({ length: 1000 }, () => answer('http3', { pathWithQuery: '/sleep' }));
    for (const { end, http } of await Promise.all(runs)) {
      expect(end).toEqual({ kind: 'exit', status: 0 });
      expect(http.answered).toBe('slept\n');
    }
  });

  it.each(['http', 'http3'] as const)('of %s end at the deadline', async (name) => {
    const waits = { scheme: 'http', read: () => new Promise<void>(() => undefined) };
    const body = { ...waits, write: () => -1, flush: () => 0, close: () => 0 };
    const path = name === 'http' ? '/' : '/copy';
    const request = { method: 'POST', pathWithQuery: path, body };
    const { end } = await answer(name, request, { limits: { timeoutMs: 100 } });
    expect(end).toEqual({ kind: 'deadline', timeoutMs: 100 });
  });
});

it('every host function of the linked components has a row', () => {
  const rows = new Set(
    abis.flatMap(({ modules, syscalls }) => modules.flatMap((m) => syscalls.map((s) => `${m} ${s.name}`))),
  );
  for (const { module } of Object.values(components))
    for (const wanted of module.plan.imports) expect(rows).toContain(`${wanted.module} ${wanted.name}`);
});
