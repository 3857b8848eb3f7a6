/**
 * What is there before the commands of a page are typed: repositories, functions, other people. Pages do not show it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PageShell, PageWord } from './console.ts';
import { printing } from './e2e-guests.ts';
import { root } from './page-blocks.ts';

/** Where the commands of a page are typed. */
export interface Stage {
  readonly shell: PageShell;
  /** Opens the shell of another user, who has signed up. */
  user(name: string): Promise<PageShell>;
  /** What stands for CODE: the code of the first account, which the platform's log has; null: nothing. */
  code: string | null;
}

export interface Scene {
  /** Settings of a platform that only this page has; absent: it shares one with others. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Words of the page that are others here. */
  readonly words?: readonly PageWord[];
  /** Done before the first command. Absent: nothing. */
  readonly prepare?: (stage: Stage) => Promise<unknown>;
  /** Done before a command: by a pattern for the command with its number in the page, `3 git push`. */
  readonly before?: Readonly<Record<string, (stage: Stage) => Promise<unknown>>>;
  /** Returns how a command is typed here; absent: as it stands there. */
  readonly typed?: (command: string) => string;
  /** Returns who types a command; absent: the first user. */
  readonly typist?: (command: string) => string | null;
}

const guest = (file: string): Promise<Buffer> => readFile(join(root, 'fixtures/guests', file));

/** Makes a repository with a commit in a folder of that name, and enters it. */
export async function repository(
  shell: PageShell,
  files: Readonly<Record<string, string | Uint8Array>>,
  folder = 'work',
): Promise<void> {
  await shell.must(`mkdir -p ${folder} && cd ${folder} && git init --quiet --initial-branch=main`);
  await commit(shell, files);
}

async function commit(shell: PageShell, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    if (name.includes('/')) await shell.must(`mkdir -p ${name.slice(0, name.lastIndexOf('/'))}`);
    await shell.write(name, content);
  }
  await shell.must('git add --all && git commit --quiet --message Work');
}

const create = (shell: PageShell, name: string): Promise<string> => shell.must(`wasmcloud create ${name}`);
const push = (shell: PageShell): Promise<string> => shell.must('git push --quiet wasmcloud main');

/** Makes a live function of `file`. */
async function live(
  shell: PageShell,
  { name = 'swift-otter', file = 'cwa/hello.wasm', toml }: { name?: string; file?: string; toml?: string } = {},
): Promise<void> {
  const manifest: Readonly<Record<string, string>> = toml === undefined ? {} : { 'wasmcloud.toml': toml };
  await repository(shell, { 'dist/hello.wasm': await guest(file), ...manifest }, name);
  await create(shell, name);
  await push(shell);
}

/** What stands for ID: that of the newest one in a list of swift-otter's. */
const firstId = (list: string): string =>
  `$(wasmcloud ${list} swift-otter --json | grep --only-matching --max-count=1 '"id": *"[^"]*"' | cut -d '"' -f 4)`;

async function invited({ shell, code }: Stage, name = 'ada'): Promise<void> {
  await shell.must(`wasmcloud signup ${name} --invite ${code} --password-stdin`, 'correct horse battery staple');
}

/**
 * The start of the platform is what the test has done, by the same script; `npm link` puts its links into the reader's
 * home, and leaves the checkout as it is; a question for a password is answered.
 */
function atStart(command: string): string {
  if (command === 'npm start') return `grep --quiet '"start": "node src/bin/serve.ts"' ${join(root, 'package.json')}`;
  if (command.startsWith('npm link'))
    return `(cd ${root} && NPM_CONFIG_PREFIX="$HOME/.global" npm link --ignore-scripts)`;
  if (/^wasmcloud signup .*#/.test(command))
    return command.replace('#', `--password-stdin <<< 'correct horse battery' #`);
  return command;
}

export const scenes: Readonly<Record<string, Scene>> = {
  'README.md': {
    settings: {},
    async prepare(stage) {
      await repository(stage.shell, { 'hello.wasm': await guest('cwa/hello.wasm') });
      await invited(stage, 'grace');
      await create(stage.shell, 'swift-otter');
    },
    typed: atStart,
    before: {
      // A clone, and a repository of the reader's own.
      '^\\d+ npm link': ({ shell }) =>
        shell.must(`cd ~ && ln -s ${join(root, 'fixtures')} fixtures && mv .config .first`),
      async '\\d+ wasmcloud signup'(stage) {
        stage.code =
          /[\w-]{16,}/.exec(await stage.shell.must('XDG_CONFIG_HOME=$HOME/.first wasmcloud invites create'))?.[0] ??
          null;
      },
      '\\d+ wasmcloud create': async ({ shell }) =>
        repository(shell, { 'hello.wasm': await guest('cwa/hello.wasm') }, 'yours'),
    },
  },
  'docs/first-function.md': { settings: {}, typed: atStart },
  'docs/api.md': {
    async prepare({ shell }) {
      await live(shell);
      const made = await shell.must('wasmcloud tokens create reader --scope read --json');
      shell.set('WASMCLOUD_TOKEN', (JSON.parse(made) as { token: string }).token);
    },
  },
  'docs/coming-from.md': {
    async prepare({ shell }) {
      await repository(shell, { '.gitignore': 'build/\n' }, 'app');
      await shell.must('mkdir build');
      await shell.write('build/app.wasm', await guest('component/http.wasm'));
    },
  },
  'docs/domains.md': {
    settings: { TRISIEL_DOMAIN: 'functions.example.net' },
    async prepare(stage) {
      await invited(stage);
      await live(stage.shell);
    },
  },
  'docs/drains.md': { words: [['Bearer …', 'Bearer secret']], prepare: ({ shell }) => live(shell) },
  'docs/http.md': {
    // Its call still runs when the page ends it, however busy the machine is.
    prepare: ({ shell }) => live(shell, { file: 'cwa/sleep.wasm', toml: '[limits]\ntimeout-ms = 900000\n' }),
    typed: (command) => command.replace(/\bID\b/, firstId('calls')),
  },
  'docs/logs.md': {
    async prepare({ shell }) {
      await repository(shell, { 'sum.wasm': await readFile(join(root, 'fixtures/debug/lines-dwarf5.wasm')) });
      await create(shell, 'swift-otter');
      await push(shell);
      await shell.run('wasmcloud invoke swift-otter');
    },
    typed: (command) => command.replace(/\bID\b/, firstId('invocations')),
  },
  'docs/previews.md': {
    async prepare({ shell }) {
      await live(shell);
      await shell.must('git switch --quiet --create feature/login');
      await commit(shell, { 'key.txt': 'secret' });
    },
  },
  'docs/profiles.md': {
    async prepare({ shell }) {
      await live(shell);
      await shell.write('parser.wasm', await guest('cwa/hello.wasm'));
      await shell.write('input', 'some words\n');
    },
    // Seconds of a page are for people.
    typed: (command) => command.replace(/ swift-otter( --seconds 30)?/, ' swift-otter --seconds 1'),
  },
  'docs/push.md': {
    async prepare({ shell }) {
      await repository(shell, { 'dist/hello.wasm': await guest('cwa/hello.wasm') });
      await create(shell, 'swift-otter');
    },
    before: {
      async '^2 '({ shell }) {
        await shell.must('cd ~');
        await repository(shell, { 'hello.wasm': await guest('component/http.wasm') }, 'greeter');
        await create(shell, 'otter-greeter');
      },
      async '^3 '({ shell }) {
        await shell.must('cd ~/work && git rm --quiet -r dist');
        await commit(shell, Object.fromEntries(Array.from({ length: 42 }, (_, at) => [`page-${at}.txt`, 'text'])));
      },
    },
  },
  'docs/queues.md': {
    async prepare({ shell }) {
      await live(shell, { name: 'otter', toml: '[[queue]]\nname = "emails"\n' });
      await shell.must('wasmcloud queue publish emails hello');
    },
    // An interruption leaves this.
    before: { ' --resume': ({ shell }) => shell.must('mv emails.ndjson emails.ndjson.part') },
  },
  'docs/releases.md': {
    async prepare({ shell }) {
      await live(shell);
      await commit(shell, { 'dist/hello.wasm': await guest('cwa/log.wasm') });
      await push(shell);
      await shell.must('wasmcloud rollback swift-otter v1 --yes');
    },
    before: {
      'wasmcloud release swift-otter$': ({ shell }) =>
        // So many that the new version gets none of them once in 10^13 runs.
        shell.must("curl --silent --fail --output /dev/null 'http://localhost:3003/swift-otter/?[1-300]'"),
    },
  },
  'docs/renaming.md': { prepare: ({ shell }) => live(shell) },
  'docs/schedules.md': {
    prepare: ({ shell }) =>
      live(shell, { name: 'otter', toml: '[[schedule]]\nname = "report"\ncron = "0 6 * * MON-FRI"\n' }),
  },
  'docs/snapshots.md': {
    async prepare({ shell }) {
      await repository(shell, {
        'hello.wasm': await guest('wasi/reactor.wasm'),
        'wasmcloud.toml': 'snapshot = true\n',
      });
      await create(shell, 'swift-otter');
    },
  },
  'docs/teams.md': {
    async prepare(stage) {
      await live(stage.shell);
      await stage.user('grace');
    },
    typist: (command) => (/^wasmcloud (?:transfers|tokens)/.test(command) ? 'grace' : null),
  },
};

/** Returns a module that prints `text`. */
export const printer = printing;
