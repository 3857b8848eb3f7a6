/**
 * Makes the pictures of the book: `npm run docs:pictures [NAME…]`. Recordings of a terminal (tmux) and pictures of
 * pages (Chromium) are taken from a platform that this script starts, fills and stops, so that they show what the code
 * does now.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type PlatformChild, startPlatformChild } from '../src/bin/platform-child.ts';
import { browserMissing, openBrowser } from '../test/support/browser.ts';
import { Pane } from '../test/support/pane.ts';
import { shellEnvironment } from '../test/support/shell-environment.ts';
import { terminalPicture } from './terminal-picture.ts';

const root = join(import.meta.dirname, '..');
const folder = join(import.meta.dirname, 'pictures');
const terminal = { columns: 96, rows: 22 } as const;

/** What pictures are taken of. */
interface Scene {
  readonly platform: PlatformChild;
  /** Variables of a shell in which `wasmcloud` has an account and the repository hello has a module. */
  readonly variables: Readonly<Record<string, string>>;
  readonly home: string;
}

/**
 * Pictures by the names of their files, in the order in which they are taken: each finds what the ones before have
 * done.
 */
export const pictures: Readonly<Record<string, (scene: Scene, file: string) => Promise<void>>> = {
  'push.svg': (scene, file) =>
    recorded(scene, file, 'A push that answers with the URL of the function, and a call of it', async (pane, take) => {
      await pane.keys('cd hello && clear', 'Enter');
      await pane.shows(/^\$/m);
      await pane.keys('-l', 'wasmcloud create swift-otter');
      await take(/swift-otter/);
      await pane.keys('Enter');
      await take(/\.git[\s\S]*^\$ ?$/m);
      await pane.keys('-l', 'git push --quiet wasmcloud main');
      await pane.keys('Enter');
      await take(/success: live[\s\S]*^\$ ?$/m);
      await pane.keys('-l', `curl ${scene.platform.runUrl}/swift-otter/`);
      await pane.keys('Enter');
      await take(/curl .*\nHello, world!\n\$ ?$/m);
    }),
  'interface.svg': (scene, file) =>
    recorded(
      scene,
      file,
      'The terminal interface: functions, one of them, its log while calls come',
      async (pane, take) => {
        await pane.keys('wasmcloud', 'Enter');
        await take(/› swift-otter +live/);
        await pane.keys('Enter');
        await take(/^(?![\s\S]*loading)[\s\S]*deployed/);
        await pane.keys('l');
        await take(/following/);
        for (let call = 0; call < 3; call += 1) await fetch(`${scene.platform.runUrl}/swift-otter/${call}`);
        await take(/(?:CALL[\s\S]*){3}/);
        await pane.keys('q');
      },
    ),
  'book.png': async ({ platform }, file) => {
    const browser = await openBrowser();
    try {
      const typed = `new Promise((resolve) => {
        const list = document.querySelector('form ol');
        new MutationObserver(() => resolve(list.children.length)).observe(list, { childList: true });
        const field = document.querySelector('#search');
        field.focus();
        field.value = 'gas';
        field.dispatchEvent(new Event('input'));
      })`;
      await browser.picture(`${platform.controlUrl}/docs/limits`, { width: 1000, height: 640, file, script: typed });
    } finally {
      await browser.close();
    }
  },
};

/** Types into a terminal and writes what it showed each time that `take` was called. */
async function recorded(
  { platform, variables, home }: Scene,
  file: string,
  title: string,
  play: (pane: Pane, take: (wanted: RegExp) => Promise<void>) => Promise<void>,
): Promise<void> {
  const pane = await Pane.open(home, variables, terminal);
  const screens: string[] = [];
  try {
    await play(pane, async (wanted) => {
      await within(pane.shows(wanted), () => pane.screen());
      const screen = await pane.tmux('capture-pane', '-e', '-p', '-t', 'test');
      screens.push(withUsualPorts(screen.trimEnd(), platform));
    });
  } finally {
    await pane.close();
  }
  await writeFile(file, terminalPicture(screens, terminal, title));
}

/** Rejects with what the terminal shows where `shown` takes longer than a minute. */
async function within(shown: Promise<unknown>, screen: () => Promise<string>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      screen().then((text) => reject(new Error(`the terminal shows something else:\n${text}`)), reject);
    }, 60_000);
  });
  await Promise.race([shown, late]).finally(() => clearTimeout(timer));
}

/** Returns a screen with the ports that a platform has which was started without settings. */
function withUsualPorts(screen: string, { controlUrl, runUrl }: PlatformChild): string {
  return screen.replaceAll(`:${new URL(controlUrl).port}`, ':3002').replaceAll(`:${new URL(runUrl).port}`, ':3003');
}

async function setUp(home: string, platform: PlatformChild): Promise<Scene> {
  const bin = join(home, '.bin');
  await mkdir(bin);
  await writeFile(
    join(bin, 'wasmcloud'),
    `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'bin/wasmcloud.js')}" "$@"\n`,
  );
  await chmod(join(bin, 'wasmcloud'), 0o755);
  const variables = shellEnvironment({
    ...{ home, bin, configHome: join(home, '.config'), gitConfig: join(home, '.gitconfig') },
    server: platform.controlUrl,
  });
  const repository = join(home, 'hello');
  await mkdir(repository);
  await copyFile(join(root, 'fixtures/guests/cwa/hello.wasm'), join(repository, 'hello.wasm'));
  const { code } = JSON.parse(await platform.logged('there is no account yet')) as { code: string };
  const script = `printf %s 'correct horse battery' | wasmcloud signup ada --invite ${code} --password-stdin
    cd hello && git init --quiet --initial-branch=main && git add hello.wasm && git commit --quiet --message 'Say hello'`;
  await promisify(execFile)('bash', ['-e', '-c', script], { cwd: home, env: variables });
  return { platform, variables, home };
}

/**
 * Writes the pictures whose names are given to the folder `into`, and takes those before them, which they need; without
 * names, all.
 */
export async function takePictures(names: readonly string[], into: string): Promise<void> {
  if (browserMissing !== null) throw new Error(browserMissing);
  const all = Object.entries(pictures);
  const wrong = names.filter((name) => !(name in pictures));
  if (wrong.length > 0) throw new Error(`no picture is called ${wrong.join(', ')}`);
  const home = await mkdtemp(join(tmpdir(), 'trisiel-pictures-'));
  const platform = await startPlatformChild({
    ...{ TRISIEL_DATA: join(home, 'data'), TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
  });
  try {
    const scene = await setUp(home, platform);
    for (const [name, take] of all) {
      await take(scene, join(names.length === 0 || names.includes(name) ? into : home, name));
      process.stdout.write(`${name}\n`);
    }
  } finally {
    await platform.stop();
    await rm(home, { recursive: true, force: true });
  }
}

if (import.meta.main) await takePictures(process.argv.slice(2), folder);
