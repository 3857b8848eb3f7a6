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
  /** What the module is instead of a program for this host: end of a sentence that begins with the module's name. */
  readonly message: string;
  /** Returns whether an import is typical of the host. All imports of its import module then belong to the host. */
  readonly isSign: (wanted: ImportName) => boolean;
  readonly hint: string;
}

/** The name of an interface of WIT: `wasi:io/poll@0.2.10`. */
const witInterface = /^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*\/[a-z]/;

const hosts: readonly ForeignHost[] = [
  {
    message: builtFor("Emscripten's JavaScript"),
    // Release builds shorten every name to one or two letters, in the import module `a`.
    isSign: ({ module, name }) =>
      (module === 'a' && name.length <= 2) ||
      (module === 'env' && /^(_?emscripten_|invoke_[a-z]+$|__syscall_|_embind_|__cxa_throw$)/.test(name)),
    hint: 'link with emcc -sSTANDALONE_WASM -o NAME.wasm, or compile with wasi-sdk',
  },
  {
    message: builtFor("Go's JavaScript support (wasm_exec.js)"),
    isSign: ({ module, name }) => module === 'gojs' || (module === 'go' && /^(runtime|syscall\/js)\./.test(name)),
    hint: 'build with GOOS=wasip1 GOARCH=wasm; with TinyGo, -target=wasip1',
  },
  {
    message: builtFor('threads of WASI'),
    isSign: ({ module, name }) => module === 'wasi' && name === 'thread-spawn',
    hint: 'build for wasm32-wasip1 instead of wasm32-wasip1-threads: a function has one thread',
  },
  {
    message: builtFor("Javy's provider module"),
    isSign: ({ module }) => /^javy_quickjs_provider|^javy-default-plugin/.test(module),
    hint: 'build with javy build without -C dynamic, so that the engine is in the module',
  },
  {
    message: builtFor('Extism'),
    isSign: ({ module }) => module.startsWith('extism:host/'),
    hint: 'a plug-in of Extism needs its host: build a program for wasm32-wasip1 that reads stdin and writes stdout',
  },
  {
    message: builtFor("wasm-bindgen's JavaScript"),
    isSign: ({ module, name }) =>
      module === 'wbg' || module.startsWith('__wbindgen_') || /^__(wbindgen|wbg)_/.test(name),
    hint: 'build for wasm32-wasip1 without wasm-bindgen and wasm-pack: there is no JavaScript around a function',
  },
  {
    message: builtFor("AssemblyScript's JavaScript"),
    isSign: ({ module, name }) => module === 'env' && name === 'abort',
    hint: 'compile with --config node_modules/@assemblyscript/wasi-shim/asconfig.json, after npm install @assemblyscript/wasi-shim',
  },
  {
    message: builtFor("ruby.wasm's JavaScript"),
    isSign: ({ module }) => module === 'rb-js-abi-host',
    hint: 'use the program bin/ruby of a build of ruby.wasm, which exports _start: what npm has is a library for JavaScript',
  },
  {
    message: builtFor("Fastly's Compute"),
    isSign: ({ module }) => module.startsWith('fastly_'),
    hint: 'build for wasi:http/proxy instead, or a program for wasm32-wasip1',
  },
  {
    message: builtFor('Proxy-Wasm'),
    isSign: ({ module, name }) => module === 'env' && name.startsWith('proxy_'),
    hint: 'a filter of a proxy needs its host: build a program for wasm32-wasip1 that reads stdin and writes stdout',
  },
  {
    message: builtFor('WASIX'),
    isSign: ({ module }) => module.startsWith('wasix_'),
    hint: 'compile with wasi-sdk, for wasm32-wasip1',
  },
  {
    message: 'is the core module of a component, not yet the component',
    isSign: ({ module }) =>
      (witInterface.test(module) && !module.startsWith('extism:')) || module.startsWith('cm32p2|'),
    hint: 'make the component: wasm-tools component new MODULE -o COMPONENT, with --adapt ADAPTER if the module imports wasi_snapshot_preview1 too',
  },
];

function builtFor(host: string): string {
  return `was built for ${host}, which is not here`;
}

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
      message: host.message,
      details: [`${plural(imports.length, 'import')}: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`],
      hints: [host.hint],
    });
  }
  return { findings, modules };
}
