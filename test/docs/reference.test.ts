/** The book and the code name the same things: commands, options, variables, keys, routes, error codes. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { builtPages } from '../../docs/build.ts';
import { apiDocument, manifestKeys, namedCommands, wholeProgram } from '../../docs/reference.ts';
import { type PagesOptions, pages as pagesRouter } from '../../src/control/api/pages.ts';
import { errorStatus } from '../../src/protocol/errors.ts';
import { blocksOf, fencedBlocks } from '../support/page-blocks.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = [...globSync('docs/**/*.md', { cwd: root }), 'README.md'].sort();

/** Returns the first cells of the tables of a page, which name things in backticks. */
function namedIn(text: string): readonly string[] {
  return [...text.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe('a page that is written from the code', async () => {
  const built = await builtPages();
  it.each([...built.keys()])('%s is what `node docs/build.ts` writes', (file) => {
    const page = read(file);
    expect(built.get(file)?.(page)).toBe(page);
  });

  it('has every usage and every picture of memory that the book shows', () => {
    for (const { page, text } of blocksOf('written')) expect(built.get(page)?.(read(page)), page).toContain(text);
  });
});

describe('a variable', () => {
  const sources = globSync('{src,ui-cli,hooks,bin,scaffolds}/**/*.{ts,tsx,js,sh,yml}', { cwd: root });
  const deployed = ['deploy/caddy/Caddyfile', 'deploy/systemd/backup.sh'];
  const code = [...sources, 'hooks/pre-receive', ...deployed].map(read).join('\n');
  // The bundler puts a value in the place of these two names.
  const own = [...code.matchAll(/\b(?:TRISIEL|WASMCLOUD)_[A-Z0-9_]+\b/g)].map(([name]) => name);
  const general = [...code.matchAll(/\bvariables\.([A-Z][A-Z0-9_]*)\b/g)].map(([, name = '']) => name);
  const known = new Set(
    [...own, ...general].filter((name) => !['WASMCLOUD_VERSION', 'WASMCLOUD_SINGLE', 'PATH'].includes(name)),
  );
  const page = read('docs/reference/variables.md');

  it('of the code stands in docs/reference/variables.md', () => {
    expect(known.size).toBeGreaterThan(20);
    expect([...known].filter((name) => !page.includes(`\`${name}\``)).sort()).toEqual([]);
  });

  it('of the platform that the book names is one of the code', () => {
    const secrets = [...known].map((name) => `${name}_FILE`);
    const wrong = pages.flatMap((file) =>
      [...read(file).matchAll(/\b(?:TRISIEL|WASMCLOUD)_[A-Z0-9_]+\b/g)]
        .map(([name]) => name)
        .filter((name) => !known.has(name) && !secrets.includes(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('an error code', () => {
  const rows = [...read('docs/reference/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(
    ([, code = '', status]) => ({
      code,
      status: Number(status),
    }),
  );

  it('of the code stands in docs/reference/errors.md with its status, and no other does', () => {
    expect(Object.fromEntries(rows.map(({ code, status }) => [code, status]))).toEqual(errorStatus);
    expect(rows).toHaveLength(Object.keys(errorStatus).length);
  });

  it('behind a status anywhere in the book is one of the code, with that status', () => {
    const wrong = pages.flatMap((file) =>
      [...read(file).matchAll(/\b([45]\d\d)(?: problem)? `([a-z]+(?:_[a-z]+)*)`/g)]
        .filter(([, status, code = '']) => (errorStatus as Readonly<Record<string, number>>)[code] !== Number(status))
        .map(([text]) => `${file}: ${text}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('a key of the manifest', () => {
  const explained: Readonly<Record<string, string>> = {
    queue: 'docs/queues.md',
    schedule: 'docs/schedules.md',
    preview: 'docs/previews.md',
    release: 'docs/releases.md',
  };

  it('is explained, by its name, in the page of its table', () => {
    const missing = manifestKeys()
      .map(([key]) => key.split('.'))
      .map(([table = '', name = table]) => ({ name, page: explained[table] ?? 'docs/manifest.md' }))
      .filter(({ name, page }) => !new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(read(page)))
      .map(({ name, page }) => `${page}: ${name}`);
    expect(missing).toEqual([]);
  });
});

describe('an address', () => {
  const { paths } = apiDocument() as { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );

  it('outside of the API stands in docs/reference/api.md, and no other does', () => {
    const station: PagesOptions = new Proxy({ now: () => 0 } as PagesOptions, {
      get: (target, key) => (key === 'now' ? target.now : station),
    });
    const served = pagesRouter(station).stack.map(({ path }) => String(path));
    // Pages of the book stand below its address; git and the document of the API are served elsewhere.
    const wanted = [...served.filter((path) => !path.includes('{')), '/tls/ask', '/api/v1/openapi.json', '/NAME.git'];
    const [, table = ''] = read('docs/reference/api.md').split('## Other addresses');
    expect([...namedIn(table.split('\n## ')[0] ?? '')].sort()).toEqual([...new Set(wanted)].sort());
  });

  it('of an operation that the book names is one of the API', () => {
    const shapes = new Set(operations.map((one) => one.replace(/\{\w+\}/g, '*')));
    const wrong = pages.flatMap((file) =>
      [...read(file).matchAll(/(?<!\w)(GET|POST|PUT|PATCH|DELETE) (\/[\w{}/*.-]*)/g)]
        // Requests to functions, in examples of them.
        .filter(([, , path = '']) =>
          /^\/(?:api\/v1\/)?(?:handlers|users|sessions|tokens|queues|usage|audit|invites)\b/.test(path),
        )
        .map(
          ([, method, path = '']) => `${method} ${path.replace(/^\/api\/v1/, '').replace(/\{\w+\}|\b[A-Z]+\b/g, '*')}`,
        )
        .filter((one) => !shapes.has(one.replace(/\/$/, '')))
        .map((one) => `${file}: ${one}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('a command', () => {
  const program = wholeProgram();
  const commands = new Map(namedCommands(program).map(({ name, command }) => [name, command]));
  for (const { name, command } of namedCommands(program))
    for (const alias of command.aliases()) commands.set(name.replace(/[\w-]+$/, alias), command);

  /** Returns the command lines in the code of a page, in blocks and in backticks, that begin with `tool`. */
  function linesOf(text: string, tool: string): readonly string[] {
    const inBlocks = fencedBlocks('a page', text)
      .filter(({ language }) => language === 'console' || language === 'sh')
      .flatMap((block) => block.text.split('\n'));
    const inline = [...text.replace(/^ *```[\s\S]*?^ *```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(
      ([, words = '']) => words,
    );
    return [...inBlocks, ...inline]
      .flatMap((line) => line.replace(/\s#.*$/, '').split(/&&|\|\s/))
      .map((line) =>
        line
          .trim()
          .replace(/^\$ /, '')
          .replace(/^npx (?:--prefix \S+ )?/, ''),
      )
      .filter((line) => line.startsWith(`${tool} `))
      .map((line) => line.slice(tool.length + 1).trim());
  }

  function optionsOf(command: Command): ReadonlySet<string> {
    const all = [command, program].flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short]));
    return new Set([...all, '--help', '-h'].filter((one) => one !== undefined && one !== null));
  }

  function mistakesIn(line: string): readonly string[] {
    const words = line.split(/\s+/);
    const at = words.findIndex((word) => !word.startsWith('-'));
    if (at < 0 || /^(?:[A-Z]+|help|…)$/.test(words[at] ?? '')) return [];
    const pair = `${words[at]} ${words[at + 1] ?? ''}`;
    const command = commands.get(pair) ?? commands.get(words[at] ?? '');
    if (command === undefined) return [`no command ${words[at]}`];
    const next = words[at + 1] ?? '';
    // A field of commander's own: the command that a group runs for any other word.
    const { _defaultCommandName: name } = command as { _defaultCommandName?: string | null };
    const otherwise = command.commands.find((one) => one.name() === name) ?? command;
    const isGroup = command.commands.length > 0 && otherwise.registeredArguments.length === 0;
    if (isGroup && /^[a-z][a-z-]*$/.test(next)) return [`no command ${pair}`];
    // What stands behind the file of `run` is the guest's.
    const options = optionsOf(command);
    return words.filter((word) => /^--?[a-z]/.test(word) && !options.has(word.split('=')[0] ?? ''));
  }

  it('of the book exists, with the options that it is shown with', () => {
    const wrong = pages.flatMap((file) =>
      linesOf(read(file), 'wasmcloud').flatMap((line) =>
        mistakesIn(line).map((mistake) => `${file}: wasmcloud ${line}: ${mistake}`),
      ),
    );
    expect(wrong).toEqual([]);
    expect(pages.flatMap((file) => linesOf(read(file), 'wasmcloud')).length).toBeGreaterThan(100);
  });

  it('that does not exist would be found', () => {
    expect(mistakesIn('lsit')).toEqual(['no command lsit']);
    expect(mistakesIn('queue halt emails')).toEqual(['no command queue halt']);
    expect(mistakesIn('logs NAME --folow -f')).toEqual(['--folow']);
    expect(mistakesIn('queue export q --out x --resum')).toEqual(['--resum']);
    expect(
      linesOf('a `wasmcloud ls` b\n\n```console\n$ wasmcloud logs  # x\n$ git push wasmcloud main\n```\n', 'wasmcloud'),
    ).toEqual(['logs', 'ls']);
  });

  it('of trisiel that the book names exists', () => {
    const usage = read('docs/reference/commands.md').split('## trisiel')[1] ?? '';
    const shown = [...usage.matchAll(/trisiel (\w+)(.*)/g)];
    /** Whether a command has this name, and these options. */
    const isTrisiel = (line: string): boolean => {
      const [name, ...rest] = line.split(/\s+/);
      const usages = shown.filter(([, one]) => one === name).map(([, , options = '']) => options);
      const options = rest.filter((word) => word.startsWith('--'));
      return usages.length > 0 && options.every((option) => usages.join(' ').includes(option.split('=')[0] ?? ''));
    };
    const wrong = pages.flatMap((file) =>
      linesOf(read(file), 'trisiel')
        .filter((line) => !line.startsWith('-') && !isTrisiel(line))
        .map((line) => `${file}: trisiel ${line}`),
    );
    expect(wrong).toEqual([]);
    expect(['doctor --repair', 'serve', 'medic', 'doctor --mend', 'backup x --since y'].map(isTrisiel)).toEqual([
      ...[true, true, false, false, true],
    ]);
  });
});
