/**
 * Comments say the contract before the reason (CONTRIBUTING.md, Comments). Held where a machine can be sure:
 *
 * - A comment stands above what names and types leave open: of all fields and members a number without a unit in its
 *   name; of what is exported also bytes, an error, more than three parameters, a body of more than five statements.
 *   Implementations of a commented member need none, nor does a component that draws its props. The comment of a class
 *   or interface may speak for its members.
 * - A function's comment begins with a verb: "Returns …", "Stores …".
 * - A function that throws an error for its caller names it, or the first comment of its file does.
 * - No comment points at what it could name.
 * - No comment is wider than code, which Biome wraps; it leaves comments as they are. This holds for tests and hooks
 *   too.
 */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  beginsWithVerb,
  columnsMax,
  commentsIn,
  declarationsOf,
  pointsAt,
  saysError,
  saysUnit,
  wideComments,
} from './support/contracts.ts';
import { type OwnCode, readOwnCode } from './support/own-code.ts';

let code: OwnCode;
beforeAll(() => {
  code = readOwnCode();
});
afterAll(() => code.close());

describe('a comment of our own code', () => {
  it('stands where names and types do not say the contract', () => {
    const declared = code.files.flatMap((file) => declarationsOf(file, code.checker));
    expect(declared.length).toBeGreaterThan(3000);
    const missing = declared.filter(({ comment, unsaid }) => comment === null && unsaid.length > 0);
    expect(missing.map(({ place, unsaid }) => `${place}: write above it ${unsaid.join(', ')}`)).toEqual([]);
  });

  it('begins with a verb where it is that of a function', () => {
    const functions = code.files
      .flatMap((file) => declarationsOf(file, code.checker))
      .filter(({ kind, comment }) => kind === 'function' && comment !== null);
    const wrong = functions.filter(({ comment }) => !beginsWithVerb(comment ?? ''));
    expect(wrong.map(({ place, comment }) => `${place}: begin with a verb ("Returns …"), not ${comment}`)).toEqual([]);
  });

  it('names the errors that a function throws for its caller', () => {
    const silent = code.files.flatMap((file) =>
      declarationsOf(file, code.checker).filter(
        ({ throws, comment }) =>
          throws && comment !== null && !saysError(comment) && !saysError(file.text.split('*/')[0]!),
      ),
    );
    expect(silent.map(({ place }) => `${place}: write which error it throws, and when`)).toEqual([]);
  });

  it('names things instead of pointing at them', () => {
    const pointing = code.files.flatMap(({ path, text }) =>
      commentsIn(text).flatMap(({ line, comment }) => pointsAt(comment).map((words) => `${path}:${line}: "${words}"`)),
    );
    expect(pointing).toEqual([]);
  });

  it(`has no line of more than ${columnsMax} columns`, () => {
    const root = join(import.meta.dirname, '..');
    const files = globSync('{src,ui-cli,hooks,test}/**/*.{ts,tsx,js,mjs}', { cwd: root });
    expect(files.length).toBeGreaterThan(1000);
    const wide = files.flatMap((file) =>
      wideComments(readFileSync(join(root, file), 'utf8')).map((line) => `${file}:${line}`),
    );
    expect(wide).toEqual([]);
  });
});

describe('the rule', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-contracts-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Returns what the rule asks of a source text, by name. */
  function unsaidIn(source: string): Readonly<Record<string, readonly string[]>> {
    writeFileSync(join(folder, 'tsconfig.json'), '{"compilerOptions":{"noLib":true,"types":[]},"files":["src/a.ts"]}');
    mkdirSync(join(folder, 'src'), { recursive: true });
    writeFileSync(join(folder, 'src/a.ts'), source);
    const read = readOwnCode(folder, ['src']);
    try {
      const open = read.files.flatMap((file) => declarationsOf(file, read.checker));
      return Object.fromEntries(
        open
          .filter(({ comment, unsaid }) => comment === null && unsaid.length > 0)
          .map(({ place, unsaid }) => [place.split(' ')[1], unsaid]),
      );
    } finally {
      read.close();
    }
  }

  it.each([
    ['export function wait(timeout: number): void {}', { wait: ['what number `timeout` is'] }],
    ['export function wait(timeoutMs: number): void {}', {}],
    ['export function total(): Promise<number | null> { return x; }', { total: ['what number it returns'] }],
    ['export function countLines(): number { return 0; }', {}],
    ['function wait(timeout: number): void {}', {}],
    ['class Shelf { #next = 0; }', { 'Shelf.#next': ['what number it is'] }],
    ['class Shelf { #nextMs = 0; /** Number of books. */ #held = 0; }', {}],
    ["export function put(): void { throw new PlatformError('full'); }", { put: ['which error it throws, and when'] }],
    ["export function put(): void { throw new Error('cannot be'); }", {}],
    ['export function put(): void { run(() => { throw full(); }); }', {}],
    ['export function put(a: A, b: B, c: C, d: D): void {}', { put: ['what its parameters are'] }],
    ['export function put(): void { a(); b(); c(); d(); e(); f(); }', { put: ['what it does'] }],
    [
      'export interface Cost { readonly memory: number; readonly memoryBytes: number }',
      { 'Cost.memory': ['what number it is'] },
    ],
    ['/** Numbers of bytes. */\nexport interface Cost { readonly memory: number }', {}],
    [
      'export class Shelf { get size(): number { return 0; } #size(): number { return 0; } }',
      { 'Shelf.size': ['what number it returns'] },
    ],
    [
      'interface Store {\n/** Returns the number of rows. */\nput(): number }\nexport class Disk implements Store { put(): number { return 0; } }',
      {},
    ],
  ])('reads %s', (source, unsaid) => {
    expect(unsaidIn(source)).toEqual(unsaid);
  });

  it('knows names that say a unit', () => {
    expect(
      ['timeoutMs', 'bytes', 'bytesIn', 'last_ms', 'lines', 'runnersMax', 'setU8'].filter((name) => !saysUnit(name)),
    ).toEqual([]);
    expect(['timeout', 'size', 'status0', 'class', 'radius', 'limit'].filter(saysUnit)).toEqual([]);
  });

  it('knows a verb from a noun', () => {
    expect(['Returns 0.', 'Hard-links a file.', '`now`: clock in Unix milliseconds.'].every(beginsWithVerb)).toBe(true);
    expect(['Whether it runs.', 'Bytes of the file.', 'Is called once.', 'The name.'].some(beginsWithVerb)).toBe(false);
  });

  it('knows words that point', () => {
    expect(pointsAt('Gives whoever waits its place, and sends what is there.')).toEqual(['whoever', 'what is there']);
    expect(pointsAt('Of both, the first.')).toEqual(['Of both']);
    expect(pointsAt('The same of one user.')).toEqual(['The same']);
    expect(pointsAt('Compares the sizes of both files.')).toEqual([]);
  });

  it('knows a wide comment in every form, and long texts in code, which are none', () => {
    const words = 'word '.repeat(30);
    const lines = [`  // ${words}`, `/** ${words} */`, ` * ${words}`, `begin(); // ${words}`, `const a = '${words}';`];
    expect(wideComments(lines.join('\n'))).toEqual([1, 2, 3, 4]);
  });
});
