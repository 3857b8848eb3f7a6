/**
 * Guests that real compilers made: what memory that grows costs a call. `npm run bench -- guests [NAME…]`; a name
 * chooses the guests that begin with it.
 * Built from the sources in bench/guests by its build.sh. Each guest that grows is measured with a reserve and
 * without (`exact-memory`), and against its twin that does not grow. Processor time of a call tells more than
 * requests/s where other programs are running. From the environment as for `invoke`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { call, compileWat, deploymentOf, TestFleet } from '../test/support/fleet.ts';
import { take } from '../test/support/snapshots.ts';
import { count, ms, ratio, rounds, seconds } from './compare.ts';
import { type Load, load, loader, medians } from './load.ts';
import { median } from './statistics.ts';
import { type Row, table } from './table.ts';
import { growing, helloCwa } from './wat-guests.ts';

interface Measured {
  readonly wasm: Uint8Array;
  /** Name of the same program without the growth, or without a snapshot. */
  readonly twin?: string;
  /** Whether its memory grows; such a guest is measured with exact memory too. */
  readonly grows?: boolean;
}

const fileOf = (name: string) => new URL(`guests/${name}`, import.meta.url);
const built = (name: string) => readFileSync(fileOf(`${name}.wasm`));

const reactor = readFileSync(new URL('../fixtures/guests/wasi/reactor.wasm', import.meta.url));

const quickjs = gunzipSync(readFileSync(fileOf('quickjs.wasm.gz')));

const all: Readonly<Record<string, Measured>> = {
  hello: { wasm: await compileWat(helloCwa) },
  'hello, grows by 1 MB': { wasm: await compileWat(growing), twin: 'hello', grows: true },
  Rust: { wasm: built('rust') },
  'Rust, grows by 100 KB': { wasm: built('rust-grow'), twin: 'Rust', grows: true },
  C: { wasm: built('c') },
  'C, grows by 100 KB': { wasm: built('c-grow'), twin: 'C', grows: true },
  'C, grows by 3 MB': { wasm: built('c-grow-3mb'), twin: 'C', grows: true },
  'AssemblyScript, grows by 200 KB': { wasm: built('assemblyscript'), grows: true },
  TinyGo: { wasm: built('tinygo'), grows: true },
  'C reactor': { wasm: reactor, grows: true },
  'C reactor, snapshot': { wasm: (await take(reactor)).frozen, twin: 'C reactor' },
  'QuickJS, started in each call': { wasm: quickjs, grows: true },
  'QuickJS, snapshot': { wasm: (await take(quickjs)).frozen, twin: 'QuickJS, started in each call' },
  ...(await goGuests()),
};

const wanted = process.argv.slice(2);
const guests = Object.fromEntries(
  Object.entries(all).filter(([name]) => wanted.length === 0 || wanted.some((word) => name.startsWith(word))),
);

/**
 * Go's programs have megabytes and are not committed: guests/build.sh makes them where Go is installed, here if need
 * be.
 */
async function goGuests(): Promise<Record<string, Measured>> {
  const isBuilt = () => ['go.wasm', 'go-reactor.wasm'].every((name) => existsSync(fileOf(name)));
  if (!isBuilt()) spawnSync('sh', [fileURLToPath(fileOf('build.sh')), 'go']);
  if (!isBuilt()) {
    console.log('no rows of Go: bench/guests/build.sh makes its programs with Go 1.24 or later');
    return {};
  }
  const goReactor = built('go-reactor');
  return {
    'Go, started in each call': { wasm: built('go'), grows: true },
    'Go reactor, started in each call': { wasm: goReactor, grows: true },
    'Go reactor, snapshot': { wasm: (await take(goReactor)).frozen, twin: 'Go reactor, started in each call' },
  };
}

/** Returns the processor time that process `pid` has used, in microseconds (proc(5), clock ticks of 10 ms). */
function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const fleet = new TestFleet({ runners: 1 });
await fleet.start();
try {
  const urls: Record<string, string> = {};
  const deploy = async (name: string, wasm: Uint8Array, exactMemory: boolean) => {
    const handler = `guest-${Object.keys(urls).length}`;
    await fleet.deploy(deploymentOf(handler, wasm, { exactMemory }));
    urls[name] = `${fleet.url}/${handler}/`;
    const { status, body } = await call(urls[name]);
    if (status !== 200) throw new Error(`${name} answers ${status}: ${body}`);
  };
  const exact = (name: string) => `${name}, exact memory`;
  for (const [name, { wasm, grows = false }] of Object.entries(guests)) {
    await deploy(name, wasm, false);
    if (grows) await deploy(exact(name), wasm, true);
  }
  const pid = fleet.runners[0]?.pid ?? 0;
  const loads: Record<string, Load[]> = {};
  const costsUs: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++)
    for (const [name, url] of Object.entries(urls)) {
      const beforeUs = cpuUs(pid);
      const result = await load({ url, seconds });
      // The first round is the warm-up.
      if (round === 0) continue;
      loads[name] = [...(loads[name] ?? []), result];
      const costUs = (cpuUs(pid) - beforeUs) / (result.requestsPerSecond * seconds);
      costsUs[name] = [...(costsUs[name] ?? []), costUs];
    }
  const costUs = (name: string) => median(costsUs[name] ?? []);
  const rows = Object.entries(guests).map(([name, { twin, grows = false }]): Row => {
    const { requestsPerSecond, p50Ms, p99Ms, errors } = medians(loads[name] ?? []);
    return [
      name,
      count(requestsPerSecond),
      ms(p50Ms),
      ms(p99Ms),
      count(costUs(name)),
      twin === undefined || guests[twin] === undefined
        ? '-'
        : ratio(requestsPerSecond, medians(loads[twin] ?? []).requestsPerSecond),
      twin === undefined || guests[twin] === undefined ? '-' : ratio(costUs(name), costUs(twin)),
      grows ? count(medians(loads[exact(name)] ?? []).requestsPerSecond) : '-',
      grows ? count(costUs(exact(name))) : '-',
      errors,
    ];
  });
  const head = ['', 'requests/s', 'p50 ms', 'p99 ms', 'cpu us', 'x twin', 'cpu x twin', 'exact, requests/s', 'cpu us'];
  table(
    `guests: 32 connections, one process, ${loader}, medians of ${rounds} rounds of ${seconds} s; cpu: a call's, of the runner`,
    [...head, 'errors'],
    rows,
  );
} finally {
  await fleet.stop();
}
