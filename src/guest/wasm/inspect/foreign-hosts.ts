/**
 * Recognises programs that were built for another host. One finding names the host and says how to build for this one,
 * in place of thirty unknown functions.
 */
import { type Finding, plural, printable } from './findings.ts';

export interface ImportName {
  readonly module: string;
  readonly name: string;
}

interface ForeignHost {
  /** Name of the host, for the sentence `N imports are for NAME`. */
  readonly name: string;
  /** Returns whether an import is typical of the host. All imports of its import module then belong to the host. */
  readonly isSign: (wanted: ImportName) => boolean;
  readonly hint: string;
}

const hosts: readonly ForeignHost[] = [
  {
    name: "Emscripten's JavaScript",
    // Release builds shorten every name to one or two letters, in the import module `a`.
    isSign: ({ module, name }) =>
      (module === 'a' && name.length <= 2) ||
      (module === 'env' && /^(_?emscripten_|invoke_[a-z]+$|__syscall_|_embind_|__cxa_throw$)/.test(name)),
    hint: 'link with emcc -sSTANDALONE_WASM -o NAME.wasm, or compile with wasi-sdk',
  },
  {
    name: "Go's JavaScript support (wasm_exec.js)",
    isSign: ({ module, name }) => module === 'gojs' || (module === 'go' && /^(runtime|syscall\/js)\./.test(name)),
    hint: 'build with GOOS=wasip1 GOARCH=wasm; with TinyGo, -target=wasip1',
  },
  {
    name: 'threads of WASI',
    isSign: ({ module, name }) => module === 'wasi' && name === 'thread-spawn',
    hint: 'build for wasm32-wasip1 instead of wasm32-wasip1-threads: a function has one thread',
  },
  {
    name: "Javy's provider module",
    isSign: ({ module }) => /^javy_quickjs_provider|^javy-default-plugin/.test(module),
    hint: 'build with javy build without -C dynamic, so that the engine is in the module',
  },
  {
    name: 'Extism',
    isSign: ({ module }) => module.startsWith('extism:host/'),
    hint: 'a plug-in of Extism needs its host: build a program for wasm32-wasip1 that reads stdin and writes stdout',
  },
  {
    name: "wasm-bindgen's JavaScript",
    isSign: ({ module, name }) =>
      module === 'wbg' || module.startsWith('__wbindgen_') || /^__(wbindgen|wbg)_/.test(name),
    hint: 'build for wasm32-wasip1 without wasm-bindgen and wasm-pack: there is no JavaScript around a function',
  },
];

/** Most names of imports that one finding shows. */
const shownMax = 3;

/**
 * Returns one finding for each foreign host of imports in `unknown`, and the import modules that belong to these hosts.
 */
export function foreignFindings(unknown: readonly ImportName[]): {
  readonly findings: readonly Finding[];
  readonly modules: ReadonlySet<string>;
} {
  const modules = new Set<string>();
  const findings: Finding[] = [];
  for (const host of hosts) {
    const own = new Set(unknown.filter(host.isSign).map(({ module }) => module));
    if (own.size === 0) continue;
    for (const module of own) modules.add(module);
    const imports = unknown.filter(({ module }) => own.has(module));
    const shown = imports.slice(0, shownMax).map(({ module, name }) => `${printable(module)}.${printable(name)}`);
    const more = imports.length - shown.length;
    findings.push({
      code: 'imports_unknown',
      message: `was built for ${host.name}, which is not here`,
      details: [`${plural(imports.length, 'import')}: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`],
      hints: [host.hint],
    });
  }
  return { findings, modules };
}
