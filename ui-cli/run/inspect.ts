/** Describes a module or component, and the result of a push of it, in the words of a push. */
import { createHash } from 'node:crypto';
import { readModule } from '../../src/guest/wasm/format/read-module.ts';
import { startUpOf } from '../../src/guest/wasm/snapshot/start-up.ts';
import { type ErrorCode, PlatformError } from '../../src/protocol/errors.ts';
import { PAGE_BYTES } from '../../src/protocol/limits.ts';
import type { FuncType, RewrittenModule } from '../../src/protocol/module.ts';
import { formatBytes, plural } from '../text/format.ts';
import { facts } from '../text/table.ts';
import { visible } from '../text/visible.ts';
import { readProgram, vetFile } from './load.ts';

/** Import or export of the file itself, as the engine reads it; null for a component. */
interface CoreExtern {
  readonly name: string;
  readonly kind: string;
}

export interface Inspected {
  readonly file: string;
  /** `other`: not WebAssembly. */
  readonly kind: 'module' | 'component' | 'other';
  readonly bytes: number;
  readonly sha256: string;
  /** Why a push would refuse the file; null: it would be accepted. */
  readonly refusal: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly details: readonly string[];
    readonly hints: readonly string[];
  } | null;
  /** Results of vetting; null: the file would be refused. */
  readonly program: ProgramFacts | null;
  /** Exports of a module; null for a component, and when the engine cannot read the file. */
  readonly exports: readonly CoreExtern[] | null;
}

interface ProgramFacts {
  readonly abis: readonly string[];
  /** Export that is called; for a component, its interface. */
  readonly entry: string;
  readonly memory: { readonly initialPages: number; readonly maximumPages: number | null } | null;
  readonly tableEntries: number;
  readonly features: readonly string[];
  readonly functions: number;
  readonly imports: readonly (FuncType & { readonly module: string; readonly name: string })[];
  /** Exports that a snapshot would run, in order; or a text that says why there are none. */
  readonly startUp: readonly string[] | string;
  readonly metered: { readonly version: number; readonly bytes: number };
}

/** Reads and vets the file. Throws `not_found` when it cannot be read, `module_too_large`. */
export async function inspectFile(file: string): Promise<Inspected> {
  const bytes = await readProgram(file);
  const isComponent = bytes[4] === 0x0d && bytes[6] === 1;
  const head = {
    file,
    kind: isComponent ? ('component' as const) : isWasm(bytes) ? ('module' as const) : ('other' as const),
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    exports: isComponent ? null : await exportsOf(bytes),
  };
  try {
    const { module, bytes: rewritten } = vetFile(bytes, file);
    return {
      ...head,
      refusal: null,
      program: programFacts(module, rewritten.length, startUpNamesOf(bytes, isComponent)),
    };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const { code, message, details, hints } = error;
    return { ...head, refusal: { code, message, details, hints }, program: null };
  }
}

/** Returns whether the bytes begin as all binary forms of WebAssembly do. */
function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

function programFacts(
  { plan, features, functions, component, meterVersion }: RewrittenModule,
  bytes: number,
  startUp: ProgramFacts['startUp'],
): ProgramFacts {
  return {
    abis: plan.abis,
    entry: component?.entry ?? plan.entry.name,
    memory:
      plan.memory === null ? null : { initialPages: plan.memory.initialPages, maximumPages: plan.memory.maximumPages },
    tableEntries: plan.tableEntries ?? plan.table?.initial ?? 0,
    features,
    functions,
    // Imports that the linker adds are not imports of the file.
    imports: plan.imports.filter((one) => !one.module.startsWith('trisiel:')),
    startUp,
    metered: { version: meterVersion, bytes },
  };
}

function startUpNamesOf(bytes: Uint8Array, isComponent: boolean): ProgramFacts['startUp'] {
  if (isComponent) return 'snapshots are taken of modules';
  const startUp = startUpOf(readModule(bytes, 'the module'));
  return typeof startUp === 'string' ? startUp : startUp.names;
}

async function exportsOf(bytes: Uint8Array): Promise<readonly CoreExtern[] | null> {
  try {
    // No SharedArrayBuffer: from a file.
    return WebAssembly.Module.exports(await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>));
  } catch {
    return null;
  }
}

const kindWords = { module: 'a module', component: 'a component', other: 'not WebAssembly' } as const;

/** Returns the inspection as lines for a person. */
export function inspectionLines(found: Inspected): string[] {
  const { program, exports } = found;
  const pairs: (readonly [string, string])[] = [
    ['file', `${visible(found.file)}: ${kindWords[found.kind]}, ${formatBytes(found.bytes)}`],
    ['sha256', found.sha256],
  ];
  if (exports !== null)
    pairs.push([
      'exports',
      exports.length === 0 ? 'nothing' : exports.map(({ name, kind }) => `${visible(name)} (${kind})`).join(', '),
    ]);
  if (program === null) return facts(pairs);
  const { memory } = program;
  pairs.push(
    ['world', program.abis.join(', ')],
    ['entry', program.entry],
    ['memory', memory === null ? 'none' : memoryText(memory)],
    ['tables', program.tableEntries === 0 ? 'none' : plural(program.tableEntries, 'entry', 'entries')],
    ['features', program.features.length === 0 ? 'none beyond WebAssembly 1.0' : program.features.join(', ')],
    ['functions', String(program.functions)],
    ['metered', `${formatBytes(program.metered.bytes)}, meter version ${program.metered.version}`],
    ['snapshot', typeof program.startUp === 'string' ? `none: ${program.startUp}` : `of ${program.startUp.join(', ')}`],
    [
      'imports',
      program.imports.length === 0 ? 'nothing' : `${plural(program.imports.length, 'function')}, all provided`,
    ],
  );
  const imports = program.imports.map(
    ({ module, name, params, results }) =>
      `  ${visible(module)}.${visible(name)} (${params.join(', ')})${results.length === 0 ? '' : ` -> ${results.join(', ')}`}`,
  );
  return [...facts(pairs), ...imports, 'a push would take it'];
}

function memoryText({ initialPages, maximumPages }: NonNullable<ProgramFacts['memory']>): string {
  const most = maximumPages === null ? 'no maximum of its own' : `at most ${plural(maximumPages, 'page')}`;
  return `${plural(initialPages, 'page')} (${formatBytes(initialPages * PAGE_BYTES)}), ${most}`;
}
