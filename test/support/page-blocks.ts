/** The fenced blocks of README.md, the book and the pages for contributors, and the test that executes each. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { begin, end } from '../../docs/marks.ts';

export const root = join(import.meta.dirname, '../..');
export const pages: readonly string[] = [...globSync('docs/**/*.md', { cwd: root }), 'README.md'].sort();
/** Pages for those who change the code. */
export const contributorPages: readonly string[] = ['ARCHITECTURE.md', 'CONTRIBUTING.md'];

export interface PageBlock {
  readonly page: string;
  /** Number of the line that opens it, from 1. */
  readonly line: number;
  /** First word behind the fence; '': none. */
  readonly language: string;
  /** File that it is, behind the language; null: it has no name. */
  readonly file: string | null;
  readonly text: string;
}

/** A way in which blocks are executed. */
interface Execution {
  /** The file that calls `blocksOf` for this way. */
  readonly test: string;
  readonly takes: (block: PageBlock) => boolean;
}

/** Pages whose commands are typed by users of one platform, or of one of their own; those for operators, in folders. */
const userPages = [
  ...['README.md', 'docs/first-function.md', 'docs/api.md', 'docs/coming-from.md', 'docs/domains.md', 'docs/drains.md'],
  ...[
    'docs/http.md',
    'docs/logs.md',
    'docs/previews.md',
    'docs/profiles.md',
    'docs/push.md',
    'docs/queues.md',
    'docs/releases.md',
  ],
  ...['docs/renaming.md', 'docs/schedules.md', 'docs/snapshots.md', 'docs/teams.md'],
];
const operatorPages = [...['docs/cluster-git.md', 'docs/configuration.md', 'docs/metrics.md', 'docs/operations.md']];
/** Whether a block needs the service of docs/install.md. */
const ofService = ({ page, text }: PageBlock): boolean =>
  page === 'docs/incidents.md' || (page === 'docs/operations.md' && text.includes('systemctl '));

/** Whether a block of docs/cluster.md is about services. */
const ofClusterServices = ({ page, line }: PageBlock): boolean =>
  page === 'docs/cluster.md' && line <= textOf(page).split('\n').indexOf('### In the foreground');

const isTyped = ({ language }: PageBlock): boolean => language === 'console' || language === 'sh';
/** Commands that .ci/run runs: nothing that a test could add. */
const ofCi = ['npm ci', 'npm run demo', 'npm test'];
const isOfCi = (block: PageBlock): boolean =>
  block.page !== 'CONTRIBUTING.md' &&
  isTyped(block) &&
  block.text
    .trimEnd()
    .split('\n')
    .every((line) => ofCi.includes(line));
const installsPackages = ({ text }: PageBlock): boolean => /^apt-get install [^\n]*\n$/.test(text);

export const executions = {
  /** Typed into a shell, in the order of the page. */
  commands: {
    test: 'test/docs/page-commands.test.ts',
    takes: (block) => userPages.includes(block.page) && isTyped(block) && !isOfCi(block) && !installsPackages(block),
  },
  /** Typed on a machine that a folder stands in for. */
  operating: {
    test: 'test/docs/operator-commands.test.ts',
    takes: (block) => operatorPages.includes(block.page) && isTyped(block) && !ofService(block),
  },
  /** Typed on a machine whose first process is systemd, beside the service. */
  service: { test: 'test/deploy/systemd.test.ts', takes: (block) => isTyped(block) && ofService(block) },
  /** Typed to make a cluster of it. */
  cluster: {
    test: 'test/docs/cluster-commands.test.ts',
    takes: (block) =>
      block.page === 'docs/cluster.md' && ((isTyped(block) && !ofClusterServices(block)) || block.language === 'nats'),
  },
  /** Typed on a machine whose first process is systemd, to make a cluster of it. */
  clusterServices: {
    test: 'test/deploy/cluster-services.test.ts',
    takes: (block) => isTyped(block) && ofClusterServices(block),
  },
  /** Typed, from the bare machine to a function that answers over HTTPS. */
  installing: {
    test: 'test/deploy/ten-minutes.test.ts',
    takes: (block) => block.page === 'docs/install.md' && isTyped(block) && !fromClone(block),
  },
  /** Run by .ci/run. */
  ci: { test: 'test/docs/examples.test.ts', takes: isOfCi },
  /** Installed by apt-get, without doing it. */
  packages: {
    test: 'test/docs/examples.test.ts',
    takes: (block) => userPages.includes(block.page) && isTyped(block) && installsPackages(block),
  },
  /** Builds the tool as one file. */
  single: {
    test: 'test/ui-cli/single-file.test.ts',
    takes: (block) => block.page === 'docs/install.md' && block.text.startsWith('npm run build:single'),
  },
  /** Builds the image of a container. */
  image: {
    test: 'test/deploy/container.test.ts',
    takes: (block) => block.page === 'docs/install.md' && block.text.includes('podman build'),
  },
  /** Written where a command of the page names it. */
  files: {
    test: 'test/docs/page-commands.test.ts',
    takes: ({ page, language, file }) => page !== 'README.md' && language === 'c' && file !== null,
  },
  /** Compiled by the command in its first line, and run. */
  programs: {
    test: 'test/docs/examples.test.ts',
    takes: ({ page, language }) => page === 'README.md' && language === 'c',
  },
  /** Read as a push reads wasmcloud.toml. */
  manifests: {
    test: 'test/docs/examples.test.ts',
    takes: ({ language, text }) => language === 'toml' && !/^TRISIEL_/m.test(text),
  },
  /** Read as a push reads handler.policy. */
  policies: { test: 'test/docs/examples.test.ts', takes: ({ language }) => language === 'policy' },
  /** Read as a start of the platform reads trisiel.toml. */
  settings: {
    test: 'test/docs/examples.test.ts',
    takes: ({ language, text }) => language === 'toml' && /^TRISIEL_/m.test(text),
  },
  /** Printed by a function, and sent as an answer. */
  answers: { test: 'test/docs/page-commands.test.ts', takes: ({ language }) => language === 'http' },
  /** Understood as a structured line of a log. */
  lines: {
    test: 'test/docs/examples.test.ts',
    takes: ({ page, language }) => page === 'docs/logs.md' && language === 'json',
  },
  /** Checked by Prometheus' own tool. */
  scrapes: { test: 'test/deploy/alerts.test.ts', takes: ({ language }) => language === 'yaml' },
  /** Read by the proxy that it is for. */
  proxies: {
    test: 'test/deploy/cluster-fronts.test.ts',
    takes: ({ language }) => language === 'nginx' || language === 'caddy',
  },
  /** Assembled, metered, and compared with the page's tables. */
  metered: {
    test: 'test/guest/wasm/meter-page.test.ts',
    takes: ({ page, language }) => page === 'docs/meter.md' && language === 'wat',
  },
  /** Run against a server. */
  client: {
    test: 'test/client/client.test.ts',
    takes: ({ page, language }) => page === 'docs/client.md' && language === 'js',
  },
  /** Built with the library, pushed and called. */
  libraries: { test: 'test/guests/libraries.test.ts', takes: ({ page }) => page === 'docs/guest-libraries.md' },
  /** Files of a scaffold, and the commands that make, build and push it. */
  scaffolds: {
    test: 'test/e2e/scaffolds.test.ts',
    takes: (block) => block.page.startsWith('docs/languages/') && isWritten(block),
  },
  /** Built with a Worker beside it, pushed and called. */
  workers: {
    test: 'test/e2e/scaffolds.test.ts',
    takes: ({ page, language }) => page === 'docs/coming-from.md' && language === 'js',
  },
  /** Compiled with the options that the page names. */
  exceptions: {
    test: 'test/docs/examples.test.ts',
    takes: (block) => block.page === 'docs/languages/c.md' && !isWritten(block),
  },
  /** Printed by the tools, or taken from comments of the code, by docs/build.ts. */
  written: {
    test: 'test/docs/reference.test.ts',
    takes: (block) => ['usage', 'diagram'].includes(block.language) && isWritten(block),
  },
  /** Compared with the scripts of package.json and the files that are there. */
  working: {
    test: 'test/docs/examples.test.ts',
    takes: (block) => block.page === 'CONTRIBUTING.md' && block.language === 'sh',
  },
  /** A drawing, no example: the files in it are there. */
  drawings: {
    test: 'test/docs/blocks.test.ts',
    takes: (block) => block.language === 'diagram' && !isWritten(block),
  },
} as const satisfies Readonly<Record<string, Execution>>;

/** Returns whether a block of docs/install.md begins in a clone of the repository. */
function fromClone({ text }: PageBlock): boolean {
  return text.startsWith('npm run ') || text.startsWith('npm ci');
}

/** Returns whether docs/build.ts writes a block. */
function isWritten({ page, line }: PageBlock): boolean {
  const lines = textOf(page).split('\n');
  const from = lines.indexOf(begin);
  return from >= 0 && line > from + 1 && line <= lines.indexOf(end, from);
}

/** Returns the text of a page. */
export function textOf(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** Returns the fenced blocks of a page. Throws where one has no end. */
export function fencedBlocks(page: string, text: string): readonly PageBlock[] {
  const blocks: PageBlock[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const [, indent = '', fence, words = ''] = /^( *)(`{3,}|~{3,})(.*)$/.exec(lines[at] ?? '') ?? [];
    if (fence === undefined) continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === fence);
    if (end < 0) throw new Error(`${page}:${at + 1}: a block without an end`);
    const [language = '', file = null] = words.trim().split(/\s+/);
    const body = lines.slice(at + 1, end).map((line) => `${line.replace(indent, '')}\n`);
    blocks.push({ page, line: at + 1, language, file, text: body.join('') });
    at = end;
  }
  return blocks;
}

/** Returns the fenced blocks of all pages. */
export function allBlocks(): readonly PageBlock[] {
  return [...pages, ...contributorPages].flatMap((page) => fencedBlocks(page, textOf(page)));
}

/** Returns the blocks that are executed in one way. */
export function blocksOf(way: keyof typeof executions): readonly PageBlock[] {
  return allBlocks().filter((block) => executions[way].takes(block));
}
