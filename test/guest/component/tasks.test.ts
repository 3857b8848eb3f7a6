/** Asynchronous calls of one part of a composed component by another. */
import { describe, expect, it } from 'vitest';
import { vetProgram } from '../../../src/guest/component/vet-program.ts';
import { providedInterfaces } from '../../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../../src/guest/kernel/abi/modules.ts';
import { guestStacks } from '../../../src/guest/kernel/stacks.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import { MemoryBudget } from '../../../src/runner/memory-budget.ts';
import { SlotPool } from '../../../src/runner/pool.ts';
import { Slot } from '../../../src/runner/slot.ts';
import { RecordedHttp, type RequestOptions } from '../../support/incoming-http.ts';
import { fixture, runGuest, runVetted } from '../../support/run-guest.ts';
import { codeOf, runIn } from '../../support/runner-guests.ts';

const endOf = async (name: string) => (await runGuest(fixture(`component/composed/tasks-${name}`))).end;

describe('asynchronous calls between parts', () => {
  it.each([
    ['once', 'return at once where the callee does'],
    ['later', 'run beside each other, each with a context of its own'],
    ['echo', 'bring text there and back'],
    ['cancel', 'are cancelled, before they start and while they wait'],
    ['backpressure', 'wait until the callee takes calls'],
    ['stream', 'pass a stream on, which the callee reads while the caller writes'],
    ['future', 'pass a future on'],
    ['inside', 'wait inside their functions while the caller goes on'],
    ['held', 'wait inside a function that is lifted without async, and others of its part begin later'],
    ['beside', 'wait inside one part at the same time, each with a context of its own'],
    ['told', 'learn of a cancellation when their callback is called'],
    ['locked', 'learn of a cancellation when no other call is inside their part'],
    ['left', 'are left alone while they wait inside, at the end of the program'],
    ['early', 'find what was written in memory before its event, and what was copied of a cancelled copy'],
  ])('%s: %s', async (name) => {
    expect(await endOf(name)).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    ['silent', 'a task ends without task.return'],
    ['twice', 'a task returns that has returned or was cancelled'],
    ['deadlock', 'all parts wait for each other: none of them can go on'],
    ['alone', 'all parts wait for each other: none of them can go on'],
    ['wrong', 'a function waits whose type is not asynchronous'],
    ['stacks', 'more than 128 asynchronous calls between parts run or wait inside at once'],
    ['stolen', 'what a call waits for is put into a waitable set'],
    ['recancelled', 'a call is cancelled twice'],
    ['unset', 'a waitable set is dropped that a task waits for'],
    ['inset', 'a call is cancelled, which is in a waitable set'],
    ['dropped', 'a call is dropped whose end is not known'],
    ['passed', 'resource handle 1 is a subtask, not a readable end of stream<u8>'],
    ['many', 'more than 4096 resource handles at once'],
  ])('trap (%s): %s', async (name, message) => {
    expect(await endOf(name)).toEqual({ kind: 'trap', message });
  });
});

describe('calls that wait inside', () => {
  const program = (name: string) =>
    vetProgram(fixture(`component/composed/tasks-${name}`), { provided: providedFunctions, ...providedInterfaces });

  it.each(['spin', 'spin-inside'])('are unwound when the gas of all together is used up (%s)', async (name) => {
    const { end } = await runVetted(program(name), { limits: { gas: 200_000 } });
    expect(end).toMatchObject({ kind: 'gas' });
  });

  it('are unwound at the deadline', async () => {
    const { end } = await runVetted(program('spin-inside'), { limits: { gas: 1_000_000_000, timeoutMs: 500 } });
    expect(end).toMatchObject({ kind: 'deadline' });
  });

  it('use the same gas in slices of any size', async () => {
    const code = await codeOf(fixture('component/composed/tasks-beside'));
    const gas = async (sliceGas: number) => {
      const slices = { sliceGas: () => sliceGas, turn: () => new Promise<void>((resolve) => setImmediate(resolve)) };
      const slot = new Slot(code, { image: null, reservePages: 0 });
      const run = await runIn(slot, code, '', 1_000_000, { slices });
      expect(run.end).toEqual({ kind: 'exit', status: 0 });
      return run.gas;
    };
    const used = await gas(1_000_000);
    for (const slice of [1, 7, 100, 1_000]) expect(await gas(slice)).toBe(used);
    expect((await runVetted(program('beside'), { limits: { gas: used } })).end).toEqual({ kind: 'exit', status: 0 });
    expect((await runVetted(program('beside'), { limits: { gas: used - 1 } })).end).toMatchObject({ kind: 'gas' });
  });

  it('let others of their part go on while they wait for the host', async () => {
    const { end } = await runGuest(fixture('component/composed/naps'));
    expect(end).toEqual({ kind: 'exit', status: 0 });
  });

  it('end before their instance serves another call', async () => {
    const code = await codeOf(fixture('component/composed/tasks-left'));
    const pool = new SlotPool(code, new MemoryBudget(64 * MIB), () => {});
    for (let call = 0; call < 50; call += 1) {
      const slot = pool.take();
      if (slot === null) throw new Error('no slot');
      const { end } = await runIn(slot, code, '', 1_000_000);
      pool.give(slot, end.kind === 'exit');
      expect(end).toEqual({ kind: 'exit', status: 0 });
      expect(guestStacks.size).toBe(guestStacks.idle);
    }
  });
});

describe('a program of one part', () => {
  it.each([
    ['forever', 'the guest waits for what cannot happen'],
    ['unwaiting', 'a function waits whose type is not asynchronous'],
  ])('trap (%s): %s', async (name, message) => {
    expect((await runGuest(fixture(`component/composed/${name}`))).end).toEqual({ kind: 'trap', message });
  });
});

describe('calls between parts', () => {
  const loans = async (name: string) => (await runGuest(fixture(`component/composed/loans-${name}`))).end;

  it.each([
    ['borrowed', 'borrow resources until the caller knows that they have returned'],
    ['context', 'pass error contexts'],
  ])('%s: %s', async (name) => {
    expect(await loans(name)).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    ['lent', 'resource handle 1 is given up while a call in progress borrows it'],
    ['lent-maker', 'resource handle 1 is given up while a call in progress borrows it'],
    ['kept', 'a call returns before it has dropped 1 borrowed resource handles'],
  ])('trap (%s): %s', async (name, message) => {
    expect(await loans(name)).toEqual({ kind: 'trap', message });
  });
});

describe('streams and futures between parts', () => {
  const values = async (name: string) => (await runGuest(fixture(`component/composed/values-${name}`))).end;

  it.each([
    ['records', 'a part of the records that are offered is taken, with their texts and resources'],
    ['all', 'all are taken'],
    ['cancelled', 'resources in a copy that is cancelled stay with the writer'],
    ['future', 'a future of a resource'],
  ])('%s: %s', async (name) => {
    expect(await values(name)).toEqual({ kind: 'exit', status: 0 });
  });

  it.each([
    ['gone', 'there is no resource handle 1'],
    ['offered', 'resource handle 2 is given up while a call in progress borrows it'],
    ['twice', 'resource handle 1 is given up while a call in progress borrows it'],
  ])('trap (%s): %s', async (name, message) => {
    expect(await values(name)).toEqual({ kind: 'trap', message });
  });
});

it('a part that waits for a call does not take one of it that waits for the part', async () => {
  const { end } = await runGuest(fixture('component/composed/reenter'));
  expect(end).toEqual({ kind: 'trap', message: 'all parts wait for each other: none of them can go on' });
});

describe('a component of WASI 0.3 behind another one', () => {
  const vetted = vetProgram(fixture('component/composed/middleware3'), {
    provided: providedFunctions,
    ...providedInterfaces,
  });
  const answer = async (request: RequestOptions) => {
    const http = new RecordedHttp(request);
    return { ...(await runVetted(vetted, { http })), http };
  };

  it('streams a body after it has returned its response', async () => {
    const body = 'abcdefghij'.repeat(50_000);
    const { end, http } = await answer({ method: 'POST', pathWithQuery: '/copy', body });
    expect([end, http.answered === body]).toEqual([{ kind: 'exit', status: 0 }, true]);
    expect(http.events.at(-1)).toEqual(['end', {}]);
  });

  it('that traps ends the invocation', async () => {
    expect((await answer({ pathWithQuery: '/trap' })).end).toMatchObject({ kind: 'trap' });
  });
});
