/**
 * Guests that real compilers made: what memory that grows costs a call. `npm run bench -- guests`.
 * Built from the sources in bench/guests by its build.sh. Each guest that grows is measured with a reserve and
 * without (`exact-memory`), and against its twin that does not grow. From the environment as for `invoke`.
 */
import { readFileSync } from 'node:fs';
import { call, compileWat, deploymentOf, TestFleet } from '../test/support/fleet.ts';
import { compare, count, ms, type Row, ratio, rounds, seconds, table } from './compare.ts';
import { loader } from './load.ts';
import { growing, helloCwa } from './wat-guests.ts';

interface Measured {
  readonly wasm: Uint8Array;
  /** Name of the same program without the growth. */
  readonly twin?: string;
}

const built = (name: string) => readFileSync(new URL(`guests/${name}.wasm`, import.meta.url));

const guests: Readonly<Record<string, Measured>> = {
  hello: { wasm: await compileWat(helloCwa) },
  'hello, grows by 1 MB': { wasm: await compileWat(growing), twin: 'hello' },
  Rust: { wasm: built('rust') },
  'Rust, grows by 100 KB': { wasm: built('rust-grow'), twin: 'Rust' },
  C: { wasm: built('c') },
  'C, grows by 100 KB': { wasm: built('c-grow'), twin: 'C' },
  'C, grows by 3 MB': { wasm: built('c-grow-3mb'), twin: 'C' },
  'AssemblyScript, grows by 200 KB': { wasm: built('assemblyscript') },
};

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
  const all = await compare(urls);
  const rows = Object.entries(guests).map(([name, { twin }]): Row => {
    const { requestsPerSecond = 0, p50Ms = 0, p99Ms = 0, errors = 0 } = all[name] ?? {};
    const without = all[exact(name)]?.requestsPerSecond;
    return [
      name,
      count(requestsPerSecond),
      ms(p50Ms),
      ms(p99Ms),
      ratio(requestsPerSecond, twin === undefined ? undefined : all[twin]?.requestsPerSecond),
      without === undefined ? '-' : count(without),
      ratio(requestsPerSecond, without),
      errors,
    ];
  });
  table(
    `guests: 32 connections, one process, ${loader}, medians of ${rounds} rounds of ${seconds} s`,
    ['', 'requests/s', 'p50 ms', 'p99 ms', 'x without growth', 'exact memory, requests/s', 'x exact', 'errors'],
    rows,
  );
} finally {
  await fleet.stop();
}
