/**
 * Components in a slot that has lived before: 10,000 calls give the answers, the gas and the memory that a fresh
 * instance gives.
 */
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { MIB } from '../../src/protocol/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { isRecyclable, Slot } from '../../src/runner/slot.ts';
import { RecordedHttp, type RequestOptions } from '../support/incoming-http.ts';
import { fixture } from '../support/run-guest.ts';
import { codeOf, type GuestRun, runIn, type TestCode } from '../support/runner-guests.ts';

/** A step of fixtures/guests/component/scripts.mjs. */
interface Step {
  readonly kind: string;
  readonly wasms?: readonly string[];
}

interface Input {
  readonly request: RequestOptions;
  readonly stdin: string;
  /** Absent: more than enough. */
  readonly gas?: number;
  /**
   * Whether it waits for two times one after the other: what it finds after that depends on how busy the machine is.
   */
  readonly isTimed?: boolean;
}

interface Outcome {
  readonly run: GuestRun;
  readonly answered: string;
  readonly events: readonly unknown[];
  readonly memory: Uint8Array;
}

async function outcomeOf(slot: Slot, code: TestCode, { request, stdin, gas = 5_000_000 }: Input): Promise<Outcome> {
  const http = new RecordedHttp(request);
  let memory: Uint8Array = new Uint8Array(0);
  const run = await runIn(slot, code, stdin, gas, {
    http,
    memory: (bytes) => {
      memory = bytes.slice();
    },
  });
  return { run, answered: http.answered, events: http.events, memory };
}

const bodies = ['', 'a', 'some words\n', 'x'.repeat(3000), 'y'.repeat(70_000)];
const inputs: readonly Input[] = [
  ...bodies.map((body) => ({ request: { method: 'POST', body }, stdin: body })),
  ...['/', '/echo', '/copy', '/count', '/trailers', '/empty', '/none', '/trap', '/error', '/cut', '/fields'].map(
    (pathWithQuery) => ({
      request: { method: 'GET', pathWithQuery, fields: { 'x-a': 'b' } },
      stdin: pathWithQuery,
    }),
  ),
  ...['/late', '/sleep', '/yield', '/cancel'].map((pathWithQuery) => ({
    request: { method: 'GET', pathWithQuery, fields: { 'x-a': 'b' } },
    stdin: pathWithQuery,
    isTimed: true,
  })),
  // Stopped in the middle.
  ...[50, 500, 2000].map((gas) => ({ request: { method: 'POST', body: 'some words' }, stdin: 'some words', gas })),
];

/** Runs `calls` calls in slots of one pool, and compares each with the same call in a fresh instance. */
async function compareWithFresh(name: string, calls: number): Promise<void> {
  const code = await codeOf(fixture(`component/${name}`));
  expect(isRecyclable(code.plan)).toBe(true);
  const fresh: Outcome[] = [];
  for (const input of inputs)
    fresh.push(await outcomeOf(new Slot(code, { image: null, reservePages: 0 }), code, input));
  const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
  for (let call = 0; call < calls; call += 1) {
    const index = (call * 7) % inputs.length;
    const slot = pool.take();
    if (slot === null) throw new Error('no slot');
    const outcome = await outcomeOf(slot, code, inputs[index] as Input);
    pool.give(slot, outcome.run.end.kind === 'exit');
    const { memory, ...rest } = outcome;
    const { memory: freshMemory, ...expected } = fresh[index] as Outcome;
    if (inputs[index]!.isTimed === true) {
      expect([rest.answered, rest.run.end], `call ${call}`).toEqual([expected.answered, expected.run.end]);
      continue;
    }
    expect(rest, `call ${call}`).toEqual(expected);
    expect(Buffer.compare(memory, freshMemory), `memory of call ${call}`).toBe(0);
  }
  pool.close();
}

it.each(['http', 'http3', 'cgi', 'cli3', 'composed/middleware'])(
  '%s answers in a slot after thousands of calls as in a fresh one',
  (name) => compareWithFresh(name, 2_000),
  120_000,
);

// Each ends with handles, waitable sets, streams or calls still open, which the next call must not find.
it.each([
  'composed/middleware3',
  'composed/resources',
  'composed/tasks-left',
  'composed/tasks-cancel',
  'composed/tasks-early',
  'composed/values-records',
])('%s: what a call leaves open is gone in the next', (name) => compareWithFresh(name, 200), 120_000);

it('several memories of a core module, and data that code writes, are as new in each call', async () => {
  const scripts: readonly { readonly name: string; readonly steps: readonly Step[] }[] = JSON.parse(
    readFileSync(new URL('../../fixtures/guests/component/scripts/steps.json', import.meta.url), 'utf8'),
  );
  const programs = scripts
    .filter(({ name }) => name.endsWith('several-memories.wast'))
    .flatMap(({ steps }) => steps.flatMap(({ kind, wasms = [] }) => (kind === 'returns' ? wasms : [])));
  expect(programs).toHaveLength(5);
  for (const program of programs) {
    const code = await codeOf(inflateRawSync(Buffer.from(program, 'base64')));
    expect(isRecyclable(code.plan)).toBe(true);
    const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
    for (let call = 0; call < 10; call += 1) {
      const slot = pool.take();
      if (slot === null) throw new Error('no slot');
      expect((await runIn(slot, code)).end).toEqual({ kind: 'exit', status: 0 });
      pool.give(slot, true);
    }
    pool.close();
  }
});
