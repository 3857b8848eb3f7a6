/**
 * Control under traffic, to be killed: takes pushes at its git door, and beside it stores kv values, messages and log
 * lines as fast as it can. Prints its address, then `KIND NUMBER` for each thing once it has been acknowledged.
 * Arguments: data folder, location of the database as JSON, first number.
 */
import { KvStore } from '../../src/control/storage/kv-store.ts';
import { handlerIdOf } from '../../src/protocol/names.ts';
import { startDoor } from './git-platform.ts';
import { testQueues } from './queues.ts';

const [dataFolder = '', location = '', first = '0'] = process.argv.slice(2);
const platform = await startDoor({ dataFolder, database: JSON.parse(location) });
const { db, handlers, logStore } = platform;

const owner =
  (await db.selectFrom('users').select('id').where('name', '=', 'ada').executeTakeFirst()) ??
  (await platform.user('ada'));
const { token } = await platform.accounts.createToken(owner.id, { label: 'test' });
const busy = (await handlers.find('busy')) ?? (await handlers.create({ name: 'busy', ownerId: owner.id }));
const handlerId = handlerIdOf(busy.id);

const kv = new KvStore({ db, now: Date.now });
const queues = testQueues(db);
const numberBytes = (n: number) => new TextEncoder().encode(String(n));

/** Does `work` with increasing numbers, and prints each one that was acknowledged. */
async function stream(kind: string, work: (n: number) => Promise<boolean>): Promise<void> {
  for (let n = Number(first); ; n += 1) if (await work(n)) process.stdout.write(`${kind} ${n}\n`);
}

process.stdout.write(`${JSON.stringify({ url: platform.url, token })}\n`);
await Promise.all([
  stream('kv', async (n) => {
    await kv.put({ handlerId, bucket: 'b', key: `k${n % 20}` }, numberBytes(n));
    return true;
  }),
  stream('queue', async (n) => {
    await queues.publish(owner.id, 'q', numberBytes(n));
    return true;
  }),
  stream('log', async (n) => {
    const line = { deployment: 1, invocation: 'i', timeMs: n, gas: 0, stream: 'log', level: 6 } as const;
    const text = `line ${n}`;
    return (await logStore.append([{ ...line, handlerId, seq: n, text }])) === 'stored';
  }),
]);
