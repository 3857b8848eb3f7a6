/** ARCHITECTURE.md, Imports: they point one way, and there are no cycles. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * What each station may import, besides itself: exactly what it does import, so a reader can trust the table.
 * `runner` never stands under `control`: control starts runners as processes.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  waiting: ['protocol'],
  bus: ['protocol'],
  'guest/wasm/format': ['protocol'],
  'guest/wasm/lines': ['guest/wasm/format'],
  'guest/wasm/meter': ['protocol', 'guest/wasm/format', 'guest/wasm/lines'],
  'guest/wasm/inspect': ['protocol', 'guest/wasm/format', 'guest/wasm/meter'],
  'guest/wasm/snapshot': ['protocol', 'guest/wasm/format'],
  'guest/wasm': ['protocol', 'guest/wasm/format', 'guest/wasm/lines', 'guest/wasm/meter', 'guest/wasm/inspect'],
  'guest/component': ['protocol', 'guest/wasm', 'guest/wasm/format', 'guest/wasm/lines', 'guest/wasm/inspect'],
  'guest/hlang': ['protocol'],
  'guest/kernel': ['protocol', 'waiting', 'guest/wasm/lines', 'guest/wasm/meter', 'guest/component'],
  'guest/snapshot': ['protocol', 'guest/wasm/format', 'guest/wasm/snapshot', 'guest/component', 'guest/kernel'],
  runner: ['protocol', 'waiting', 'guest/kernel'],
  'control/db': ['protocol', 'waiting'],
  'control/artifacts': ['protocol', 'waiting', 'control/db'],
  'control/accounts': ['protocol', 'waiting', 'control/db'],
  'control/handlers': ['protocol', 'control/db', 'control/accounts'],
  'control/logs': ['protocol', 'waiting', 'control/db', 'control/handlers', 'control/exports'],
  'control/usage': ['protocol', 'control/db', 'control/handlers', 'control/exports'],
  'control/storage': ['protocol', 'control/db'],
  'control/domains': ['protocol', 'waiting', 'control/db'],
  'control/exports': [],
  'control/queues': ['protocol', 'waiting', 'control/db', 'control/exports'],
  'control/calls': ['protocol', 'waiting', 'control/db', 'control/queues'],
  'control/quota': ['protocol', 'waiting', 'control/db'],
  'control/audit': ['protocol', 'control/db'],
  'control/book': [],
  'control/fleet': ['protocol', 'waiting'],
  'control/metrics': ['protocol', 'waiting', 'control/logs', 'control/queues', 'control/usage'],
  'control/traces': ['protocol'],
  'control/nodes': ['protocol', 'waiting', 'bus', 'control/db', 'control/accounts'],
  node: ['protocol', 'waiting', 'bus', 'control/artifacts', 'control/fleet'],
  'control/drains': ['protocol', 'waiting', 'guest/kernel', 'control/db', 'control/accounts', 'control/logs'],
  'control/git': ['protocol', 'waiting', 'control/db', 'control/accounts', 'control/handlers', 'control/audit'],
  'control/deploy': [
    'protocol',
    'waiting',
    'guest/wasm/lines',
    'guest/wasm/meter',
    'guest/component',
    'guest/hlang',
    'guest/kernel',
    'control/db',
    'control/artifacts',
    'control/accounts',
    'control/handlers',
    'control/git',
    'control/queues',
    'control/calls',
    'control/storage',
  ],
  'control/backup': [
    'protocol',
    'control/db',
    'control/artifacts',
    'control/accounts',
    'control/audit',
    'control/drains',
    'control/deploy',
    'control/git',
  ],
  'control/api': [
    'protocol',
    'waiting',
    'control/db',
    'control/accounts',
    'control/handlers',
    'control/logs',
    'control/usage',
    'control/queues',
    'control/exports',
    'control/calls',
    'control/quota',
    'control/audit',
    'control/book',
    'control/domains',
    'control/metrics',
    'control/drains',
  ],
  bin: [
    'protocol',
    'bus',
    'node',
    'guest/component',
    'guest/hlang',
    'guest/kernel',
    'guest/wasm',
    'guest/wasm/lines',
    'guest/snapshot',
    'runner',
    'control/db',
    'control/artifacts',
    'control/accounts',
    'control/handlers',
    'control/logs',
    'control/usage',
    'control/storage',
    'control/domains',
    'control/queues',
    'control/calls',
    'control/fleet',
    'control/nodes',
    'control/git',
    'control/deploy',
    'control/quota',
    'control/audit',
    'control/backup',
    'control/metrics',
    'control/traces',
    'control/drains',
    'control/api',
  ],
};

/** Narrower than the table: of these stations only the named files may be imported. */
const onlyFiles: readonly (readonly [from: string, to: string, files: RegExp])[] = [
  // The policy syntax that `wasmcloud run` shares.
  ['control/deploy', 'guest/kernel', /^src\/guest\/kernel\/olin-policy\.ts$/],
  ['control/deploy', 'guest/wasm/meter', /^src\/guest\/wasm\/meter\/costs\.ts$/],
  ['control/deploy', 'guest/wasm/lines', /^src\/guest\/wasm\/lines\/(rows|debug-sections)\.ts$/],
  ['guest/kernel', 'guest/wasm/lines', /^src\/guest\/wasm\/lines\/line-table\.ts$/],
  ['control/deploy', 'guest/component', /^src\/guest\/component\/recognise\.ts$/],
  // The guard on connections, which drains share.
  ['control/drains', 'guest/kernel', /^src\/guest\/kernel\/net\/(address|egress|failure)\.ts$/],
  // Types of interfaces, their names and their layout; the version of the linker.
  [
    'guest/kernel',
    'guest/component',
    /^src\/guest\/component\/(wit|flatten|element-name|http-error-code|recognise)\.ts$/,
  ],
  ['guest/kernel', 'guest/wasm/meter', /^src\/guest\/wasm\/meter\/placement\.ts$/],
];

interface Edge {
  readonly from: string;
  readonly to: string;
  /** The reason in a comment `// cycle: REASON` on the line before the import; null without one. */
  readonly cycle: string | null;
}

const files = globSync('{src,ui-cli,hooks}/**/*.{ts,tsx}');
const edges: readonly Edge[] = files.flatMap((file) => edgesOf(file, readFileSync(file, 'utf8')));

function edgesOf(file: string, code: string): readonly Edge[] {
  const imports =
    /(?:^|\n)(?:[ \t]*\/\/ cycle: *(\S[^\n]*)\n)?\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?'(\.[^']+)'|import\('(\.[^']+)'\)/g;
  return [...code.matchAll(imports)].map((match) => ({
    from: file,
    to: normalize(join(dirname(file), match[2] ?? match[3] ?? '')),
    cycle: match[1] ?? null,
  }));
}

/** The station of a file: `runner`, `control/git`, `guest/kernel`, `guest/wasm/format`; outside src the top folder. */
function station(file: string): string {
  const [top = '', first = '', second = '', third = '', fourth] = file.split('/');
  if (top !== 'src') return top;
  if (first === 'guest' && second === 'wasm') return fourth === undefined ? 'guest/wasm' : `guest/wasm/${third}`;
  return first === 'guest' || first === 'control' ? `${first}/${second}` : first;
}

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
        !(
          to.startsWith('src/') &&
          allowed[station(from)]?.includes(station(to)) &&
          onlyFiles.every(([a, b, named]) => station(from) !== a || station(to) !== b || named.test(to))
        ),
    );
    expect(wrong).toEqual([]);
  });

  it('has no allowance that nobody uses', () => {
    const used = new Set(edges.map(({ from, to }) => `${station(from)} -> ${station(to)}`));
    const unused = Object.entries(allowed).flatMap(([from, targets]) =>
      targets.map((to) => `${from} -> ${to}`).filter((edge) => !used.has(edge)),
    );
    expect(unused).toEqual([]);
  });

  it('knows every station', () => {
    const stations = new Set(files.filter((file) => file.startsWith('src/')).map(station));
    expect([...stations].filter((name) => !(name in allowed))).toEqual([]);
  });

  it('keeps the ABIs apart; only WASI 0.3 uses what 0.2 has', () => {
    const abi = (file: string): string | undefined => /^src\/guest\/kernel\/abi\/([a-z0-9]+)\//.exec(file)?.[1];
    const crossing = edges.flatMap(({ from, to }) => {
      const [user, used] = [abi(from), abi(to)];
      return user === undefined || used === undefined || user === used ? [] : [`${user} -> ${used}`];
    });
    expect([...new Set(crossing)]).toEqual(['wasi3 -> wasi2']);
  });

  it('lets ui-cli import only the protocol, and kernel, wasm and hlang for run', () => {
    const wrong = edges.filter(({ from, to }) => {
      if (!from.startsWith('ui-cli/') || to.startsWith('ui-cli/')) return false;
      if (to.startsWith('src/protocol/')) return false;
      return !(from.startsWith('ui-cli/run/') && /^src\/guest\//.test(to));
    });
    expect(wrong).toEqual([]);
  });

  it('lets the frame of the terminal interface know no screen, and commands and client nothing of it', () => {
    const below: Readonly<Record<string, readonly string[]>> = {
      'ui-cli/text': ['ui-cli/client', 'ui-cli/text'],
      'ui-cli/client': ['ui-cli/client'],
    };
    const folder = (file: string) => file.split('/').slice(0, 2).join('/');
    const wrong = edges.filter(({ from, to }) => {
      if (!from.startsWith('ui-cli/') || !to.startsWith('ui-cli/')) return false;
      const allowedFolders = below[folder(from)];
      if (allowedFolders !== undefined) return !allowedFolders.includes(folder(to));
      const drawn = folder(to) === 'ui-cli/frame' || folder(to) === 'ui-cli/screens';
      if (folder(from) === 'ui-cli/frame') return folder(to) === 'ui-cli/screens';
      if (folder(from) === 'ui-cli/screens' || from === 'ui-cli/terminal.tsx') return false;
      // Names of tabs for `wasmcloud ui`, a file without Ink.
      return drawn && to !== 'ui-cli/screens/handler/tab.ts';
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

  it('has no cycle between files, types included, but for imports that say why', () => {
    expect(cyclesOf(edges)).toEqual([]);
  });

  it('finds a cycle of types, and lets one pass whose import says why', () => {
    const edge = (code: string, to: string) => edgesOf('src/a/from.ts', code).map((one) => ({ ...one, to }));
    const there = edge("import type { B } from './b.ts';", 'src/b.ts');
    const back = { from: 'src/b.ts', to: 'src/a/from.ts', cycle: null };
    expect(cyclesOf([...there, back])).toEqual([['src/a/from.ts', 'src/b.ts', 'src/a/from.ts']]);
    const excused = edge("// cycle: one idea in two files\nimport type { B } from './b.ts';", 'src/b.ts');
    expect(cyclesOf([...excused, back])).toEqual([]);
    expect(edgesOf('a.ts', "// cycle:\nimport { B } from './b.ts';")[0]?.cycle).toBeNull();
  });

  it('has no excuse for a cycle that is none', () => {
    const excused = edges.filter((edge) => edge.cycle !== null);
    const needless = excused.filter(
      (edge) => cyclesOf([...edges.filter((one) => one.cycle === null), edge]).length === 0,
    );
    expect(needless).toEqual([]);
  });
});

/**
 * Each cycle as the files on it, the first one again at the end. Imports with a reason for their cycle do not count.
 */
function cyclesOf(all: readonly Edge[]): readonly (readonly string[])[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of all.filter((edge) => edge.cycle === null)) next.set(from, [...(next.get(from) ?? []), to]);
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
  for (const file of next.keys()) visit(file, []);
  return cycles;
}
