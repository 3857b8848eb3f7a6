/** DESIGN.md, Layout: imports point one way, and there are no cycles. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What each station may import, besides itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  wasm: ['protocol'],
  kernel: ['protocol', 'wasm'],
  hlang: ['protocol'],
  runner: ['protocol', 'wasm', 'kernel'],
  db: ['protocol'],
  artifacts: ['protocol'],
  accounts: ['protocol', 'db'],
  handlers: ['protocol', 'db', 'accounts'],
  logs: ['protocol', 'db', 'handlers'],
  usage: ['protocol', 'db', 'handlers'],
  storage: ['protocol', 'db'],
  fleet: ['protocol'],
  git: ['protocol', 'db', 'artifacts', 'accounts', 'handlers'],
  deploy: ['protocol', 'db', 'artifacts', 'accounts', 'handlers', 'git', 'wasm', 'hlang'],
  api: ['protocol', 'db', 'accounts', 'handlers', 'logs', 'usage', 'deploy'],
  bin: [
    'protocol',
    'wasm',
    'kernel',
    'hlang',
    'runner',
    'db',
    'artifacts',
    'accounts',
    'handlers',
    'logs',
    'usage',
    'storage',
    'fleet',
    'git',
    'deploy',
    'api',
  ],
};

/** Finer than a folder: a file of another station that may be imported all the same. */
const allowedFiles: readonly (readonly [from: string, to: RegExp])[] = [
  // ABIS.md: deploy uses the ABIs' signature tables and the policy syntax that `run` shares.
  ['deploy', /^src\/kernel\/(abi\/|olin-policy\.ts)/],
];

interface Edge {
  readonly from: string;
  readonly to: string;
  /** `import type`: gone at run time. */
  readonly typeOnly: boolean;
}

const files = globSync('{src,ui-cli,hooks}/**/*.{ts,tsx}');
const edges: readonly Edge[] = files.flatMap((file) =>
  [
    ...readFileSync(file, 'utf8').matchAll(
      /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?'(\.[^']+)'|import\('(\.[^']+)'\)/g,
    ),
  ].map((match) => ({
    from: file,
    typeOnly: /^\s*import type\s/.test(match[0]),
    to: normalize(join(dirname(file), match[1] ?? match[2] ?? '')),
  })),
);
const station = (file: string): string => file.split('/')[1] ?? '';

describe('import directions', () => {
  it('sees the source tree', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(edges.length).toBeGreaterThan(20);
  });

  it('lets each station of src import only what lies before it', () => {
    const wrong = edges.filter(
      ({ from, to }) =>
        from.startsWith('src/') &&
        station(from) !== station(to) &&
        !(to.startsWith('src/') && allowed[station(from)]?.includes(station(to))) &&
        !allowedFiles.some(([name, file]) => station(from) === name && file.test(to)),
    );
    expect(wrong).toEqual([]);
  });

  it('knows every station', () => {
    const stations = new Set(files.filter((file) => file.startsWith('src/')).map(station));
    expect([...stations].filter((name) => !(name in allowed))).toEqual([]);
  });

  it('keeps the ABIs apart', () => {
    const abi = (file: string): string | undefined => /^src\/kernel\/abi\/([a-z]+)\//.exec(file)?.[1];
    const wrong = edges.filter(
      ({ from, to }) => abi(from) !== undefined && abi(to) !== undefined && abi(from) !== abi(to),
    );
    expect(wrong).toEqual([]);
  });

  it('lets ui-cli import only the protocol, and kernel, wasm and hlang for run', () => {
    const wrong = edges.filter(({ from, to }) => {
      if (!from.startsWith('ui-cli/') || to.startsWith('ui-cli/')) return false;
      if (to.startsWith('src/protocol/')) return false;
      return !(from.startsWith('ui-cli/run/') && /^src\/(kernel|wasm|hlang)\//.test(to));
    });
    expect(wrong).toEqual([]);
  });

  it('reads the environment in src/bin alone', () => {
    const wrong = files.filter(
      (file) =>
        file.startsWith('src/') &&
        !file.startsWith('src/bin/') &&
        /process\.env\b/.test(readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
    );
    expect(wrong).toEqual([]);
  });

  // A Resource belongs to a Process that holds Resources: as types that is no cycle.
  it('has no cycle between files at run time', () => {
    const next = new Map<string, string[]>();
    for (const { from, to } of edges.filter((edge) => !edge.typeOnly)) next.set(from, [...(next.get(from) ?? []), to]);
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[][] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file]);
        return;
      }
      state.set(file, 'open');
      for (const to of next.get(file) ?? []) visit(to, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
