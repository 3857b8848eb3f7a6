/** The budget of compiled code: what is dropped, what comes back, and what is refused. */
import { describe, expect, it } from 'vitest';
import { PlatformError } from '../../src/protocol/errors.ts';
import { CodeStore, type CodeUse } from '../../src/runner/code-store.ts';
import { codeLimits } from '../../src/runner/limits.ts';

/** The smallest module there is. */
const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

interface Use extends CodeUse {
  isBusy: boolean;
  lastCall: number;
  drops: number;
}

function makeStore(
  budgetBytes: number,
  read: (name: string) => Promise<Uint8Array> = async () => bytes,
  pause: (waitMs: number) => Promise<unknown> = async () => {},
) {
  const reads: string[] = [];
  let collections = 0;
  const store = new CodeStore({
    budgetBytes,
    pause,
    read: (name) => {
      reads.push(name);
      return read(name);
    },
    collect: () => {
      collections += 1;
    },
  });
  let calls = 0;
  /** An Artifact of `codeBytes` that is loaded at once. */
  const add = async (name: string, codeBytes: number, ownerId = name): Promise<Use> => {
    const use = join(name, codeBytes, ownerId);
    await store.load(name);
    return use;
  };
  const join = (name: string, codeBytes: number, ownerId = name): Use => {
    calls += 1;
    const use: Use = {
      isBusy: false,
      lastCall: calls,
      drops: 0,
      drop() {
        use.drops += 1;
      },
    };
    store.join({ name, ownerId, codeBytes }, use);
    return use;
  };
  return { store, reads, add, join, collections: () => collections };
}

describe('the code of a runner', () => {
  it('is dropped, called longest ago first, where another needs the room, and comes back when it is called', async () => {
    const { store, reads, add } = makeStore(100);
    const first = await add('first', 40);
    const second = await add('second', 40);
    first.lastCall = 10;
    await add('third', 40);
    expect([first.drops, second.drops]).toEqual([0, 1]);
    expect(store.heldBytes).toBe(80);
    await store.load('second');
    expect(reads).toEqual(['first', 'second', 'third', 'second']);
    expect(store.heldBytes).toBe(80);
  });

  it('is never dropped while an Invocation runs in it', async () => {
    const { store, add, join } = makeStore(100);
    const busy = await add('busy', 90);
    busy.isBusy = true;
    join('other', 20);
    await expect(store.load('other')).rejects.toMatchObject({ code: 'overloaded' });
    expect(busy.drops).toBe(0);
    busy.isBusy = false;
    await store.load('other');
    expect(busy.drops).toBe(1);
  });

  it('that needs the room of other code is loaded one at a time for a user, with rests, and others do not wait', async () => {
    const rests: { ms: number; end: () => void }[] = [];
    // Reading takes 5 ms or more on the clock, so that a rest follows.
    const slow = async () => {
      for (const start = performance.now(); performance.now() - start < 5; );
      return bytes;
    };
    const { store, reads, add, join } = makeStore(1_000, slow, (ms) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      rests.push({ ms, end: resolve });
      return promise;
    });
    for (const name of ['a', 'b', 'c']) join(name, 400, 'greedy');
    await store.load('a');
    await store.load('b'); // Drops a: the owner's share is 500.
    const third = store.load('c');
    await store.load('b'); // Is held: nothing to wait for.
    await add('neighbour', 100, 'other');
    expect(reads).toEqual(['a', 'b', 'neighbour']);
    expect(rests).toHaveLength(1);
    expect(rests[0]?.ms).toBeGreaterThan(0);
    rests[0]?.end();
    await third;
    expect(reads).toEqual(['a', 'b', 'neighbour', 'c']);
  });

  it('of one user gives way to that user first, beyond a share', async () => {
    const { add } = makeStore(100);
    const neighbour = await add('neighbour', 30, 'other');
    const own = await add('own-1', 100 * codeLimits.shareOfOwner, 'one');
    neighbour.lastCall = 0;
    await add('own-2', 20, 'one');
    expect([neighbour.drops, own.drops]).toEqual([0, 1]);
  });

  it('may be larger than the budget where it is alone: it was accepted when it was pushed', async () => {
    const { store, add } = makeStore(100);
    await add('small', 60);
    const large = await add('large', 150);
    expect(store.heldBytes).toBe(150);
    await add('next', 10);
    expect(large.drops).toBe(1);
  });

  it('is compiled once for all who wait for it, and freed with its last use', async () => {
    const { store, reads, join } = makeStore(100);
    const uses = [join('same', 10), join('same', 10)];
    await Promise.all([store.load('same'), store.load('same'), store.load('same')]);
    expect(reads).toEqual(['same']);
    for (const use of uses) store.leave('same', use);
    expect(store.heldBytes).toBe(0);
  });

  it('whose last use ends while it is compiled holds nothing', async () => {
    const gate = Promise.withResolvers<Uint8Array>();
    const { store, join } = makeStore(100, () => gate.promise);
    const use = join('late', 10);
    const loading = store.load('late');
    store.leave('late', use);
    gate.resolve(bytes);
    await loading;
    expect(store.heldBytes).toBe(0);
  });

  it('that the engine refuses is refused for good, without another try', async () => {
    const { store, reads, join } = makeStore(100, async () => bytes.slice(0, 5));
    join('bad', 10);
    await expect(store.load('bad')).rejects.toThrow(WebAssembly.CompileError);
    await expect(store.load('bad')).rejects.toThrow(WebAssembly.CompileError);
    expect(reads).toEqual(['bad']);
    expect(store.refusalOf('bad')).not.toBeNull();
    expect(store.heldBytes).toBe(0);
  });

  it('whose bytes cannot be had while control is away is asked for again', async () => {
    let isAway = true;
    const { store, join } = makeStore(100, async () => {
      if (isAway) throw new PlatformError('unavailable', 'control is away');
      return bytes;
    });
    join('far', 10);
    await expect(store.load('far')).rejects.toMatchObject({ code: 'unavailable' });
    expect(store.refusalOf('far')).toBeNull();
    isAway = false;
    await store.load('far');
  });

  it('whose bytes could not be read once is asked for again, whatever the failure was', async () => {
    let failures = 1;
    const { store, join } = makeStore(100, async () => {
      if (failures-- > 0) throw new Error('too many calls wait for control');
      return bytes;
    });
    join('unlucky', 10);
    await expect(store.load('unlucky')).rejects.toThrow('too many calls');
    await store.load('unlucky');
  });

  it('is collected after enough has been dropped, once the load that dropped it has been served', async () => {
    const due = Promise.withResolvers<void>();
    const { add, collections } = makeStore(
      codeLimits.collectBytes,
      async () => bytes,
      () => due.promise,
    );
    await add('one', codeLimits.collectBytes);
    await add('two', codeLimits.collectBytes);
    expect(collections()).toBe(0);
    due.resolve();
    await due.promise;
    expect(collections()).toBe(1);
  });

  it('is collected at once after too much has been dropped', async () => {
    const never = new Promise<void>(() => undefined);
    const { add, collections } = makeStore(
      codeLimits.collectNowBytes,
      async () => bytes,
      () => never,
    );
    await add('one', codeLimits.collectNowBytes);
    await add('two', 1);
    expect(collections()).toBe(1);
  });
});
