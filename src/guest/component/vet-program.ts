/** Turns a pushed module or component into a vetted module. The push and `wasmcloud run` use the same code. */
import { createHash } from 'node:crypto';
import type { ProvidedFunction, RewrittenModule } from '../../protocol/module.ts';
import { type VetOptions, vetModule } from '../wasm/rewrite.ts';
import { lastWord, spelledType } from './element-name.ts';
import { asyncModule } from './glue-hosts.ts';
import type { ProvidedWit } from './host-imports.ts';
import { linkComponent } from './link.ts';
import { isComponent, LINKER_VERSION } from './recognise.ts';
import type { HostTarget } from './unit.ts';

export interface VetProgramOptions extends VetOptions {
  /** Functions that components may import, by interface and type. */
  readonly interfaces: readonly ProvidedWit[];
  /** The functions of `interfaces` as the core functions that a linked component imports. */
  readonly linked: readonly ProvidedFunction[];
  /** Names of the types that streams and futures of `interfaces` have. */
  readonly elements: ReadonlySet<string>;
}

/**
 * Checks a program and rewrites it; links it first if it is a component. Throws PlatformError as vetModule and
 * linkComponent do.
 */
export function vetProgram(
  bytes: Uint8Array,
  { interfaces, linked, elements, ...options }: VetProgramOptions,
): { readonly module: RewrittenModule; readonly bytes: Uint8Array } {
  if (!isComponent(bytes)) return vetModule(bytes, options);
  const component = linkComponent(bytes, { provided: interfaces, elements, name: options.name });
  const { world, entry, functions, taskEntry } = component;
  const { bytes: rewritten, module } = vetModule(component.bytes, {
    ...options,
    provided: [...linked, ...spelled(component.hosts)],
    lines: component.lines,
    ...(taskEntry === undefined ? {} : { taskEntry }),
  });
  return {
    bytes: rewritten,
    module: {
      ...module,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      originalBytes: bytes.length,
      plan: { ...module.plan, entry: { ...module.plan.entry, isHttp: world === 'http' } },
      component: { linkerVersion: LINKER_VERSION, entry, functions },
    },
  };
}

/** Returns functions whose names spell their types out: the host makes them when they are bound. */
function spelled(hosts: readonly HostTarget[]): readonly ProvidedFunction[] {
  return hosts
    .filter(({ module, name }) => module === asyncModule && spelledType(lastWord(name)) !== null)
    .map(({ module, name, type }) => ({ module, name, abi: 'wasi3', signatures: [type] }));
}
