/**
 * Guests that real compilers made: what memory that grows costs a call. `npm run bench -- guests`.
 * Built from the sources in bench/guests by its build.sh. Each guest that grows is measured with a reserve and
 * without (`exact-memory`), and against its twin that does not grow. Processor time of a call tells more than requests/s
 * where other programs are running. From the environment as for `invoke`.
 */
import { readFileSync } from 'node:fs';
import { call, compileWat, deploymentOf, TestFleet } from '../test/support/fleet.ts';
import { take } from '../test/support/snapshots.ts';
import { count, ms, ratio, rounds, seconds } from './compare.ts';
import { type Load, load, loader, medians } from './load.ts';
import { median } from './statistics.ts';
import { type Row, table } from './table.ts';
import { growing, helloCwa } from './wat-guests.ts';

interface Measured {
  readonly wasm: Uint8Array;
  /** Name of the same program without the growth. */
  readonly twin?: string;
}

const built = (name: string) => readFileSync(new URL(`guests/${name}.wasm`, import.meta.url));

const reactor = readFileSync(new URL('../fixtures/guests/wasi/reactor.wasm', import.meta.url));

const guests: Readonly<Record<string, Measured>> = {
  hello: { wasm: await compileWat(helloCwa) },
  'hello, grows by 1 MB': { wasm: await compileWat(growing), twin: 'hello' },
  Rust: { wasm: built('rust') },
  'Rust, grows by 100 KB': { wasm: built('rust-grow'), twin: 'Rust' },
  C: { wasm: built('c') },
  'C, grows by 100 KB': { wasm: built('c-grow'), twin: 'C' },
  'C, grows by 3 MB': { wasm: built('c-grow-3mb'), twin: 'C' },
  'AssemblyScript, grows by 200 KB': { wasm: built('assemblyscript') },
  'C reactor': { wasm: reactor },
  'C reactor, snapshot': { wasm: (await take(reactor)).frozen, twin: 'C reactor' },
};

/** Processor time that process `pid` has used, in microseconds (proc(5), clock ticks of 10 ms). */
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
  for (const [name, { wasm }] of Object.entries(guests)) {
    await deploy(name, wasm, false);
    if (name.includes('grows')) await deploy(exact(name), wasm, true);
  }
  const pid = fleet.runners[0]?.pid ?? 0;
  const loads: Record<string, Load[]> = {};
  const costsUs: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++)
    for (const [name, url] of Object.entries(urls)) {
      const beforeUs = cpuUs(pid);
      const result = await load({ url, seconds });
      // The first round warms up.
      if (round === 0) continue;
      loads[name] = [...(loads[name] ?? []), result];
      const costUs = (cpuUs(pid) - beforeUs) / (result.requestsPerSecond * seconds);
      costsUs[name] = [...(costsUs[name] ?? []), costUs];
    }
  const costUs = (name: string) => median(costsUs[name] ?? []);
  const rows = Object.entries(guests).map(([name, { twin }]): Row => {
    const { requestsPerSecond, p50Ms, p99Ms, errors } = medians(loads[name] ?? []);
    const isGrown = name.includes('grows');
    return [
      name,
      count(requestsPerSecond),
      ms(p50Ms),
      ms(p99Ms),
      count(costUs(name)),
      twin === undefined ? '-' : ratio(requestsPerSecond, medians(loads[twin] ?? []).requestsPerSecond),
      twin === undefined ? '-' : ratio(costUs(name), costUs(twin)),
      isGrown ? count(medians(loads[exact(name)] ?? []).requestsPerSecond) : '-',
      isGrown ? count(costUs(exact(name))) : '-',
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
