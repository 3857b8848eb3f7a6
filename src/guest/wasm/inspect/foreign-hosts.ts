/**
 * Programs that were built for another host: their imports are told as one finding that names the host and says how to
 * build for this one, instead of as thirty unknown functions.
 */
import { type Finding, plural, printable } from './findings.ts';

export interface ImportName {
  readonly module: string;
  readonly name: string;
}

interface ForeignHost {
  /** Continues `N imports are for`. */
  readonly name: string;
  /** Whether an import gives the host away. All imports of its import module are then the host's. */
  readonly isSign: (wanted: ImportName) => boolean;
  readonly hint: string;
}

const hosts: readonly ForeignHost[] = [
  {
    name: "Emscripten's JavaScript",
    // Release builds shorten every name to one or two letters, in an import module `a`.
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

/** Names of imports that one finding shows. */
const shownMax = 3;

/**
 * Takes the imports of foreign hosts out of `unknown`. Returns one finding for each host, and the import modules that
 * belong to them.
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
