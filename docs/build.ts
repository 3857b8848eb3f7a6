/**
 * Writes the part of docs/abi/<abi>.md that lists an ABI's system calls: `node docs/build.ts`. Signatures come from
 * the rows, the text from the comment above each row, so that neither can say something else than the code.
 * test/docs/abi.test.ts fails where a page is not what this writes.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { abis } from '../src/guest/kernel/abi/all.ts';
import type { Syscall } from '../src/guest/kernel/syscall.ts';
import { type AbiName, abiNames } from '../src/protocol/nouns.ts';

const root = join(import.meta.dirname, '..');
const begin = '<!-- written by docs/build.ts from the rows and their comments -->';
const end = '<!-- end -->';

/** Where each ABI's functions are specified; `file` is the name of the source file, without its extension. */
const specifications: Partial<Record<AbiName, (call: string, file: string) => string>> = {
  cwa: (_call, file) => `https://github.com/Xe/olin/blob/master/docs/cwa-spec/ns/${file}.md`,
  wasi: (call) => `https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#${call}`,
};

export function pageOf(abi: AbiName): string {
  return `docs/abi/${abi}.md`;
}

/** Returns the page as it should be: `page` with the list of system calls written anew. Throws where it has no place for it. */
export function withCalls(abi: AbiName, page: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${pageOf(abi)} has no lines ${begin} and ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${callsOf(abi)}\n${page.slice(to)}`;
}

/** Names of the system calls of all import modules of `abi`, each once. */
export function callNames(abi: AbiName): readonly string[] {
  return [...new Set(rowsOf(abi).map(({ name }) => name))];
}

function rowsOf(abi: AbiName): readonly Syscall[] {
  return abis.filter(({ name }) => name === abi).flatMap(({ syscalls }) => syscalls);
}

function callsOf(abi: AbiName): string {
  const rows = rowsOf(abi);
  const sources = sourcesOf(abi);
  const summary = callNames(abi).map((name) => {
    const row = rows.find((one) => one.name === name) as Syscall;
    return `| [${name}](#${name}) | ${row.waits ? 'may wait' : 'never waits'} |`;
  });
  const calls = callNames(abi).map((name) => {
    const source = sources.get(camelCase(name));
    if (source === undefined) throw new Error(`${abi}.${name} has no comment above it`);
    const specification = specifications[abi]?.(name, source.file.replace(/\.ts$/, ''));
    const signatures = [...new Set(rows.filter((row) => row.name === name).map(signatureOf))];
    const places = [
      `Source: \`src/guest/kernel/abi/${abi}/${source.file}\`.`,
      ...(specification === undefined ? [] : [`[Specification](${specification}).`]),
    ];
    const lines = [`### ${name}`, ...signatures.map((text) => `\`${text}\``), source.text, places.join(' ')];
    return lines.join('\n\n');
  });
  return `| call | |\n| --- | --- |\n${summary.join('\n')}\n\n${calls.join('\n\n')}\n`;
}

function signatureOf({ name, params, result }: Syscall): string {
  const list = params.map((param) => `${param.name}: ${param.type}`).join(', ');
  return `${name}(${list})${result === null ? '' : ` -> ${result}`}`;
}

interface Source {
  readonly file: string;
  /** The comment as Markdown. */
  readonly text: string;
}

/** Comments of an ABI's folder by the name that is declared behind each. */
function sourcesOf(abi: AbiName): ReadonlyMap<string, Source> {
  const found = new Map<string, Source>();
  const folder = join(root, 'src/guest/kernel/abi', abi);
  for (const file of globSync('*.ts', { cwd: folder })) {
    const code = readFileSync(join(folder, file), 'utf8');
    const declared = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(?:export )?(?:const|function) (\w+)/g;
    for (const [, comment = '', name = ''] of code.matchAll(declared)) found.set(name, { file, text: textOf(comment) });
  }
  return found;
}

function textOf(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^ \* ?/, ''))
    .join('\n')
    .trim();
}

/** `fd_read` -> `fdRead`: a row's name in the source. */
function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
}

if (import.meta.main) {
  for (const abi of abiNames) {
    const file = join(root, pageOf(abi));
    writeFileSync(file, withCalls(abi, readFileSync(file, 'utf8')));
  }
}
