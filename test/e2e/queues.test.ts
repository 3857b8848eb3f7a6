/** Messages of queues reach functions: through a real server, runners and git pushes. */
import { afterAll, describe, expect, it, vi } from 'vitest';
import { queueLimits } from '../../src/protocol/limits.ts';
import { beforeAttempts } from '../support/attempts.ts';
import {
  api,
  call,
  commit,
  createUser,
  makeRepo,
  push,
  type RepoFiles,
  removeTemporaryFolders,
  runnerPid,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble, fixture, telling } from '../support/e2e-guests.ts';

let platform: TestPlatform;
let ada: TestUser;
/** Repositories by handler. */
const repos = new Map<string, string>();
beforeAttempts(async () => {
  repos.clear();
  platform = await startPlatform();
  ada = await createUser(platform, 'ada');
}, removeTemporaryFolders);
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

/** Prints QUEUE facts of its environment, then its standard input. */
const reporter = telling(['TRISIEL_TRIGGER', 'QUEUE_NAME', 'MESSAGE_ATTEMPT', 'MESSAGE_COUNT', 'CONTENT_TYPE'], {
  separator: ' ',
});

/** Exits with 0 if its standard input has so many bytes, and they add up to `sum`. */
const summing = (count: number, sum: number): Uint8Array =>
  assemble(`(module
    (import "cwa" "io_get_stdin" (func $stdin (result i32)))
    (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "cwa_main") (result i32) (local $n i32) (local $at i32) (local $count i32) (local $sum i32)
      (block $end (loop $more
        (local.set $n (call $read (call $stdin) (i32.const 0) (i32.const 4096)))
        (br_if $end (i32.le_s (local.get $n) (i32.const 0)))
        (local.set $count (i32.add (local.get $count) (local.get $n)))
        (local.set $at (i32.const 0))
        (loop $bytes
          (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $bytes (i32.lt_u (local.get $at) (local.get $n))))
        (br $more)))
      (i32.or
        (i32.ne (local.get $count) (i32.const ${count}))
        (i32.ne (local.get $sum) (i32.const ${sum})))))`);

async function deploy(handler: string, module: Uint8Array, manifest: string): Promise<void> {
  const files: RepoFiles = { 'a.wasm': module, 'wasmcloud.toml': manifest };
  const repo = repos.get(handler);
  if (repo === undefined) repos.set(handler, await makeRepo(files));
  else await commit(repo, files);
  const pushed = await push(platform, ada, repos.get(handler)!, handler);
  expect(pushed.status, pushed.stderr).toBe(0);
}

const publish = async (queue: string, body: string | Uint8Array, type = 'text/plain') => {
  const answer = await fetch(`${platform.controlUrl}/api/v1/queues/${queue}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada.token}`, 'content-type': type },
    body: Buffer.from(body as string),
  });
  expect(answer.status, await answer.clone().text()).toBe(201);
};
interface QueueFacts {
  readonly messages: Readonly<Record<'ready' | 'inflight' | 'dead' | 'done', number>>;
  readonly consumers: readonly string[];
}
interface UsageFacts {
  readonly minutes: readonly { readonly invocations: number }[];
}
interface MessageFacts {
  readonly text: string;
  readonly state: string;
  readonly attempts: number;
  readonly reason: string;
  readonly invocation: string;
}

const lines = (bodies: readonly string[]) => bodies.map((text) => JSON.stringify({ text })).join('\n');
const queue = async (name: string) => (await api(platform, ada, 'GET', `/queues/${name}`)).body as QueueFacts;
const messages = async (name: string, state = '') => {
  const query = state === '' ? '' : `?state=${state}`;
  const { body } = await api(platform, ada, 'GET', `/queues/${name}/messages${query}`);
  return (body as { readonly messages: readonly MessageFacts[] }).messages;
};
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });

describe('a message', () => {
  it('is an invocation: its body on standard input, its facts in the environment, its output the next message', async () => {
    await deploy('first', reporter, '[[queue]]\nname = "in"\noutput = "out"\n');
    await publish('in', 'the message');
    await eventually(async () => expect((await queue('out')).messages.ready).toBe(1));
    expect(await messages('out')).toMatchObject([{ text: 'queue in 1 1 text/plain the message' }]);
    await eventually(async () =>
      expect((await queue('in')).messages).toEqual({ ready: 0, inflight: 0, dead: 0, done: 1 }),
    );
    const [done] = await messages('in');
    // Runners report records of calls a moment later.
    await eventually(async () => {
      const { body } = await api(platform, ada, 'GET', `/handlers/first/invocations/${done!.invocation}`);
      expect((body as { readonly invocation?: unknown }).invocation).toMatchObject({
        ...{ method: 'POST', path: '/.trisiel/queue/in', outcome: 'ok', bytesIn: 11 },
      });
    });
    expect((await queue('in')).consumers).toEqual(['first']);
  });

  it.each([
    ['no bytes', new Uint8Array(), 0],
    ['1 MiB', new Uint8Array(queueLimits.messageBytes).fill(7), (7 * queueLimits.messageBytes) % 2 ** 32],
    ['bytes that are no UTF-8', Uint8Array.of(0xff, 0, 0xfe), 0xff + 0xfe],
  ])('of %s arrives as it was published', async (what, body, sum) => {
    const name = `summed-${body.length}`;
    await deploy(name, summing(body.length, sum), `[[queue]]\nname = "${name}"\nmax-attempts = 1\n`);
    await publish(name, body, 'application/octet-stream');
    await eventually(async () =>
      expect((await queue(name)).messages, what).toEqual({ ready: 0, inflight: 0, dead: 0, done: 1 }),
    );
  });

  it('of a batch stands in a line with others', async () => {
    await publish('many', lines(['a', 'b', 'c']), 'application/x-ndjson');
    await deploy('batches', reporter, '[[queue]]\nname = "many"\nbatch = 10\noutput = "many-out"\n');
    await eventually(async () => expect((await queue('many')).messages.done).toBe(3));
    const out = (await messages('many-out'))[0]!;
    expect(out.text).toMatch(/^queue many 1 3 application\/x-ndjson \{"id"/);
    const inner = out.text
      .slice(out.text.indexOf('{'))
      .trimEnd()
      .split('\n')
      .map((line: string) => JSON.parse(line).text);
    expect(inner).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['traps', 'cwa/trap.wasm', '', 'trapped'],
    ['exits with a status', 'cwa/exit.wasm', '', 'exited'],
    ['uses up its gas', 'cwa/spin.wasm', '[limits]\ngas = 5_000_000\n', 'out_of_gas'],
    ['takes too long', 'cwa/sleep.wasm', '', 'deadline_exceeded'],
  ])(
    'of a function that %s comes again, and is a dead letter in the end, with the reason',
    async (_what, module, limits, code) => {
      const name = `dead-${code.replaceAll('_', '-')}`;
      await deploy(
        name,
        await fixture(module),
        `${limits}[[queue]]\nname = "${name}"\nmax-attempts = 2\ntimeout-ms = 2_000\n`,
      );
      await publish(name, 'poison');
      await eventually(async () => expect((await queue(name)).messages.dead).toBe(1));
      const [dead] = await messages(name, 'dead');
      expect(dead).toMatchObject({ attempts: 2, text: 'poison', invocation: expect.any(String) });
      expect(dead!.reason).toMatch(new RegExp(`^${code}`));
    },
  );

  it('whose output is longer than what is kept has failed: no output is cut silently', async () => {
    const chatty = assemble(`(module
      (import "cwa" "io_get_stdout" (func $stdout (result i32)))
      (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
      (memory (export "memory") 17)
      (func (export "cwa_main") (result i32)
        (drop (call $write (call $stdout) (i32.const 0) (i32.const 1048577)))
        (i32.const 0)))`);
    await deploy('chatty', chatty, '[[queue]]\nname = "chatty"\nmax-attempts = 1\noutput = "cut"\n');
    await publish('chatty', 'talk');
    await eventually(async () => expect((await queue('chatty')).messages.dead).toBe(1));
    expect((await messages('chatty'))[0]!.reason).toContain('beyond what is kept');
    expect((await api(platform, ada, 'GET', '/queues/cut')).status).toBe(404);
  });

  it('that fails does not hold up the others', async () => {
    await deploy('picky', await fixture('cwa/trap.wasm'), '[[queue]]\nname = "picky"\nconcurrency = 1\n');
    await deploy('flowing', await fixture('cwa/hello.wasm'), '[[queue]]\nname = "flowing"\n');
    await publish('picky', 'poison');
    await publish('flowing', 'flows');
    await eventually(async () =>
      expect((await messages('flowing'))[0]).toMatchObject({ text: 'flows', state: 'done' }),
    );
  });

  it('is shared out fairly among the functions that consume its queue', async () => {
    const manifest = '[[queue]]\nname = "shared"\nconcurrency = 4\n';
    await api(platform, ada, 'PUT', '/queues/shared', { isPaused: true });
    const both = ['fair-a', 'fair-b'] as const;
    for (const handler of both) await deploy(handler, await fixture('cwa/hello.wasm'), manifest);
    await publish('shared', lines(Array.from({ length: 600 }, (_, n) => `m${n}`)), 'application/x-ndjson');
    await api(platform, ada, 'PUT', '/queues/shared', { isPaused: false });
    await eventually(async () => expect((await queue('shared')).messages).toMatchObject({ ready: 0, done: 600 }));
    const calls = async (handler: string): Promise<number> => {
      const { body } = await api(platform, ada, 'GET', `/handlers/${handler}/usage`);
      return (body as UsageFacts).minutes.reduce((sum, { invocations }) => sum + invocations, 0);
    };
    // Counters come from the runners a moment later.
    await eventually(async () => {
      const [a = 0, b = 0] = await Promise.all(both.map(calls));
      expect(a + b).toBe(600);
      expect(Math.min(a, b)).toBeGreaterThan(200);
    });
  });

  it('published by a function is delivered to another one of its owner', async () => {
    const publisher = assemble(`(module
      (import "cwa" "resource_open" (func $open (param i32 i32) (result i32)))
      (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
      (import "cwa" "resource_flush" (func $flush (param i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "queue://relay") (data (i32.const 16) "from a guest")
      (func (export "cwa_main") (result i32) (local i32)
        (local.set 0 (call $open (i32.const 0) (i32.const 13)))
        (drop (call $write (local.get 0) (i32.const 16) (i32.const 12)))
        (call $flush (local.get 0))))`);
    await deploy('relay-in', publisher, '');
    await deploy('relay-out', reporter, '[[queue]]\nname = "relay"\noutput = "relayed"\n');
    await call(platform, 'relay-in');
    await eventually(async () => expect((await queue('relayed')).messages.ready).toBe(1));
    expect((await messages('relayed'))[0]!.text).toContain('queue relay 1 1 application/octet-stream from a guest');
  });

  it('waits while its consumer is deployed away, and is delivered to the next one', async () => {
    await deploy('comes-and-goes', reporter, '[[queue]]\nname = "patient"\noutput = "patient-out"\n');
    await publish('patient', 'one');
    await eventually(async () => expect((await queue('patient')).messages.done).toBe(1));
    await deploy('comes-and-goes', reporter, '[env]\nA = "1"\n');
    expect((await queue('patient')).consumers).toEqual([]);
    // Consumers look at what is subscribed every second: until then one more may be delivered.
    await eventually(async () => {
      await publish('patient', 'late');
      expect((await queue('patient')).messages.ready).toBeGreaterThan(1);
    });
    await deploy('comes-and-goes', reporter, '[[queue]]\nname = "patient"\n');
    await eventually(async () => expect((await queue('patient')).messages).toMatchObject({ ready: 0, inflight: 0 }));
  });

  it('survives a runner that is killed, and is dealt with once by all appearances', async () => {
    await deploy('sturdy', reporter, '[[queue]]\nname = "sturdy"\noutput = "sturdy-out"\nmax-attempts = 10\n');
    await publish('sturdy', lines(Array.from({ length: 300 }, (_, i) => `m${i}`)), 'application/x-ndjson');
    process.kill(await runnerPid(platform), 'SIGKILL');
    await eventually(async () =>
      expect((await queue('sturdy')).messages).toMatchObject({ ready: 0, inflight: 0, dead: 0, done: 300 }),
    );
    // An output is published once for each message, whatever the deliveries took.
    expect((await queue('sturdy-out')).messages.ready).toBe(300);
  });
});

it('a caller cannot pretend to be a queue', async () => {
  await deploy('honest', reporter, '');
  const answer = await call(platform, 'honest', {
    method: 'POST',
    body: 'x',
    headers: {
      'trisiel-trigger': 'eyJraW5kIjoicXVldWUiLCJsYWJlbCI6ImhvbmVzdCIsImVudiI6eyJUUklTSUVMX1RSSUdHRVIiOiJxdWV1ZSJ9fQ.x',
    },
  });
  expect([answer.status, answer.body]).toEqual([200, expect.not.stringContaining('queue')]);
});
