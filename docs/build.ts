/**
 * Writes the parts of pages that come from the code: `node docs/build.ts`. Here those of docs/abi/<abi>.md, which list
 * an ABI's system calls: signatures come from the rows, the text from the comment above each row, so that neither can
 * say something else than the code. Those of docs/reference and docs/languages are made by the files beside this one.
 * The API client is written too, and the signatures that vet children read. test/docs/abi.test.ts and
 * test/docs/reference.test.ts fail where a page is not what this writes.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeClient } from '../client/build.ts';
import { formatFunction } from '../src/guest/component/wit.ts';
import { abis } from '../src/guest/kernel/abi/all.ts';
import { moduleAbis } from '../src/guest/kernel/abi/modules.ts';
import { writeSignatures } from '../src/guest/kernel/abi/signatures.ts';
import type { Abi, Syscall } from '../src/guest/kernel/syscall.ts';
import { type AbiName, abiNames } from '../src/protocol/nouns.ts';
import { languageParts } from './languages.ts';
import { withPart } from './marks.ts';
import { referenceParts } from './reference.ts';

const root = join(import.meta.dirname, '..');

/** Where each ABI's functions are specified; `file` is the name of the source file, without its extension. */
const specifications: Partial<Record<AbiName, (call: string, file: string) => string>> = {
  cwa: (_call, file) => `https://github.com/Xe/olin/blob/master/docs/cwa-spec/ns/${file}.md`,
  wasi: (call) => `https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#${call}`,
};

export function pageOf(abi: AbiName): string {
  return `docs/abi/${abi}.md`;
}

/**
 * Returns the page as it should be: `page` with the list of system calls written anew. Throws where it has no place for
 * it.
 */
export function withCalls(abi: AbiName, page: string): string {
  return withPart(page, callsOf(abi), pageOf(abi));
}

/** Headings of the system calls of `abi`: their names, each once; for an ABI of interfaces, those of each interface. */
export function callNames(abi: AbiName): readonly string[] {
  return callsIn(abi).map(({ title }) => title);
}

/** Returns the names under which guests of `abi` import its system calls, each once. */
export function importNames(abi: AbiName): readonly string[] {
  return [...new Set(tablesOf(abi).flatMap(({ syscalls }) => syscalls.map(({ name }) => name)))];
}

interface Call {
  readonly title: string;
  /** The import module of an interface: `wasi:io/streams@0.2`; null for an ABI without interfaces. */
  readonly interface: string | null;
  readonly rows: readonly Syscall[];
}

function tablesOf(abi: AbiName): readonly Abi[] {
  return abis.filter(({ name, isOfLinker }) => name === abi && isOfLinker !== true);
}

function callsIn(abi: AbiName): readonly Call[] {
  const tables = tablesOf(abi);
  if (hasInterfaces(abi))
    return tables.flatMap(({ modules, syscalls }) =>
      syscalls.map((row) => ({ title: titleOf(row.name), interface: modules[0] as string, rows: [row] })),
    );
  const rows = tables.flatMap(({ syscalls }) => syscalls);
  return importNames(abi).map((name) => ({
    title: name,
    interface: null,
    rows: rows.filter((row) => row.name === name),
  }));
}

function hasInterfaces(abi: AbiName): boolean {
  return tablesOf(abi).some(({ syscalls }) => syscalls.some(({ wit }) => wit !== undefined));
}

/** `[method]input-stream.read` -> `input-stream.read`, `[constructor]fields` -> `fields (constructor)`. */
function titleOf(name: string): string {
  const [, kind, rest] = /^\[(.*)\](.*)$/.exec(name) ?? [];
  if (rest === undefined) return name;
  return kind === 'method' || kind === 'static' ? rest : `${rest} (${kind === 'resource-drop' ? 'drop' : kind})`;
}

function callsOf(abi: AbiName): string {
  const sources = sourcesOf(abi);
  let inInterface: string | null = null;
  const parts = callsIn(abi).map((call) => {
    const [row] = call.rows as [Syscall];
    const source = sources(call.interface, row.name);
    if (source === null) throw new Error(`${call.interface ?? abi} ${row.name} has no comment above it`);
    const heading = call.interface === inInterface ? [] : [`## \`${call.interface}\``];
    inInterface = call.interface;
    const specification = specifications[abi]?.(row.name, source.file.replace(/\.ts$/, ''));
    const signatures = [...new Set(call.rows.map(signatureOf))];
    const places = [
      `Source: \`src/guest/kernel/abi/${source.abi}/${source.file}\`.`,
      ...(specification === undefined ? [] : [`[Specification](${specification}).`]),
    ];
    return [...heading, `### ${call.title}`, ...signatures, source.text, places.join(' ')].join('\n\n');
  });
  if (hasInterfaces(abi)) return `${parts.join('\n\n')}\n`;
  const summary = callsIn(abi).map(({ title, rows }) => {
    const waits = rows[0]?.waits === true ? 'may wait' : 'never waits';
    return `| [${title}](#${title}) | ${waits} |`;
  });
  return `| call | |\n| --- | --- |\n${summary.join('\n')}\n\n${parts.join('\n\n')}\n`;
}

function signatureOf({ name, params, result, wit, waits }: Syscall): string {
  if (wit !== undefined) return `\`${formatFunction(wit)}\` (${waits ? 'may wait' : 'never waits'})`;
  const list = params.map((param) => `${param.name}: ${param.type}`).join(', ');
  return `\`${name}(${list})${result === null ? '' : ` -> ${result}`}\``;
}

interface Source {
  /** The ABI in whose folder the file is. */
  readonly abi: AbiName;
  readonly file: string;
  /** The comment as Markdown. */
  readonly text: string;
}

/**
 * Returns what finds the comment of a row: declared under the name of the row, in the folder of the ABI. Rows of
 * `wasi:io/streams@0.2` stand in `io/streams.ts`, or in another file of `io`. wasi3 takes rows of wasi2 for interfaces
 * that differ in the version only.
 */
function sourcesOf(abi: AbiName): (inInterface: string | null, name: string) => Source | null {
  const found: (Source & { readonly name: string })[] = [];
  for (const place of abi === 'wasi3' ? ([abi, 'wasi2'] as const) : [abi]) {
    const folder = join(root, 'src/guest/kernel/abi', place);
    for (const file of globSync('**/*.ts', { cwd: folder })) {
      const code = readFileSync(join(folder, file), 'utf8');
      const declared = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(?:export )?(?:const|function) (\w+)/g;
      for (const [, comment = '', name = ''] of code.matchAll(declared))
        found.push({ name, abi: place, file, text: textOf(comment) });
    }
  }
  return (inInterface, name) => {
    const [, folderOf, fileOf] = /^\w+:([\w-]+)\/([\w-]+)/.exec(inInterface ?? '') ?? [];
    const all = found.filter((source) => source.name === camelCase(name));
    if (folderOf === undefined) return all[0] ?? null;
    const inFolder = all.filter(({ file }) => file.startsWith(`${folderOf}/`));
    return inFolder.find(({ file }) => file === `${folderOf}/${fileOf}.ts`) ?? inFolder[0] ?? null;
  };
}

function textOf(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^ \* ?/, ''))
    .join('\n')
    .trim()
    .replace(/(?:^ {4}.*\n?)+/gm, drawingOf);
}

/** Returns an indented part of a comment, which is a picture of memory, as a block. */
function drawingOf(indented: string): string {
  return `\`\`\`diagram\n${indented.trimEnd().replace(/^ {4}/gm, '')}\n\`\`\`\n`;
}

/** A row's name in the source: `fd_read` -> `fdRead`, `[method]pollable.ready` -> `pollableReady`. */
function camelCase(name: string): string {
  const [, kind = '', rest = name] = /^\[(.*)\](.*)$/.exec(name) ?? [];
  const prefix = kind === 'constructor' ? 'new-' : kind === 'resource-drop' ? 'drop-' : '';
  return `${prefix}${rest}`.replace(/[-._](\w)/g, (_all, letter: string) => letter.toUpperCase());
}

/** Returns the pages that a program writes parts of, with what makes each of them as it should be. */
export async function builtPages(): Promise<ReadonlyMap<string, (page: string) => string>> {
  const calls = abiNames.map((abi) => [pageOf(abi), (page: string) => withCalls(abi, page)] as const);
  const parts = [...(await referenceParts()), ...languageParts()].map(
    ([file, text]) => [file, (page: string) => withPart(page, text, file)] as const,
  );
  return new Map([...calls, ...parts]);
}

/** Source file with the signatures of the ABIs of modules. */
export const signaturesFile = 'src/guest/kernel/abi/module-signatures.ts';

/** Returns the text of `signaturesFile`. */
export function signaturesText(): string {
  return `/** Signatures of the ABIs of modules, written from their rows by \`node docs/build.ts\`; signatures.ts reads them. */
export const moduleSignatures = \`
${writeSignatures(moduleAbis)}
\`;
`;
}

if (import.meta.main) {
  writeFileSync(join(root, signaturesFile), signaturesText());
  for (const [name, built] of await builtPages()) {
    const file = join(root, name);
    const before = readFileSync(file, 'utf8');
    const after = built(before);
    if (after === before) continue;
    writeFileSync(file, after);
    process.stdout.write(`written: ${name}\n`);
  }
  writeClient();
}
