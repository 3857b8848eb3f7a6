/** Compares imports of a component with the functions that the host provides, and says what is wrong with them. */
import { PlatformError } from '../../protocol/errors.ts';
import { cutDetails, plural, printable } from '../wasm/inspect/findings.ts';
import { flattenFunction } from './flatten.ts';
import type { HostFunction } from './graph.ts';
import { compatibleName, isPrerelease, nearestName, prereleaseHint } from './interface-name.ts';
import type { HostTarget } from './unit.ts';
import { type FunctionType, formatFunction, sameFunction } from './wit.ts';

/** A function that the host provides. `interfaceName` has the compatible part of the version: `wasi:io/streams@0.2`. */
export interface ProvidedWit {
  readonly interfaceName: string;
  readonly name: string;
  readonly type: FunctionType;
}

export class HostImports {
  readonly #subject: string;
  readonly #provided: ReadonlyMap<string, ProvidedWit>;
  readonly #interfaces: ReadonlySet<string>;
  readonly #problems: string[] = [];
  readonly #hints = new Set<string>();
  /** Unknown interfaces for which the nearest known one was looked up. */
  readonly #lookedUp = new Set<string>();
  readonly #functions = new Set<string>();

  /** `subject` is the name of the component in messages. */
  constructor(provided: readonly ProvidedWit[], subject: string) {
    this.#subject = subject;
    this.#provided = new Map(provided.map((one) => [`${one.interfaceName}\0${one.name}`, one]));
    this.#interfaces = new Set(provided.map((one) => one.interfaceName));
  }

  /** Number of host functions that are imported. */
  get count(): number {
    return this.#functions.size;
  }

  /**
   * Returns the import of a host function. Notes an unknown name or a wrong type as a problem and still returns the
   * import.
   */
  target(wanted: HostFunction, isAsync = false): HostTarget {
    const interfaceName = compatibleName(wanted.interfaceName);
    const provided = this.#provided.get(`${interfaceName}\0${wanted.name}`);
    if (provided === undefined) this.#noteUnknown(wanted, interfaceName);
    else if (!sameFunction(provided.type, wanted.type)) {
      this.#problems.push(
        `${printable(wanted.interfaceName)} ${printable(wanted.name)}: imported as ${formatFunction(wanted.type).slice(0, 300)}, provided as ${formatFunction(provided.type).slice(0, 300)}`,
      );
    }
    this.#functions.add(`${interfaceName}\0${wanted.name}`);
    return {
      kind: 'host',
      module: interfaceName,
      name: isAsync ? `[async-lower]${wanted.name}` : wanted.name,
      type: flattenFunction(wanted.type, 'lower', isAsync ? 'async' : 'sync'),
    };
  }

  #noteUnknown(wanted: HostFunction, interfaceName: string): void {
    const name = printable(wanted.interfaceName);
    if (this.#interfaces.has(interfaceName)) {
      this.#problems.push(`${name} ${printable(wanted.name)}: this function is not in the interface`);
      return;
    }
    if (isPrerelease(wanted.interfaceName) && this.#hasRelease(wanted.interfaceName)) {
      this.#problems.push(`${name}: a pre-release`);
      this.#hints.add(prereleaseHint);
      return;
    }
    this.#problems.push(`${name} ${printable(wanted.name)}`);
    const foreign = foreignWorlds.find(({ names }) => names.test(wanted.interfaceName));
    if (foreign !== undefined) this.#hints.add(foreign.hint);
    else if (
      this.#hints.size < nearestHintsMax &&
      this.#lookedUp.size < nearestLookupsMax &&
      !this.#lookedUp.has(wanted.interfaceName)
    ) {
      this.#lookedUp.add(wanted.interfaceName);
      const nearest = nearestName(wanted.interfaceName, this.#interfaces);
      if (nearest !== null) this.#hints.add(`did you mean ${nearest}?`);
    }
  }

  /** Returns whether a released version of the interface `name` is provided. */
  #hasRelease(name: string): boolean {
    const [path] = name.split('@');
    for (const one of this.#interfaces) if (one.split('@')[0] === path && !isPrerelease(one)) return true;
    return false;
  }

  /** Throws `imports_unknown` with all problems that were noted. */
  refuseUnknown(): void {
    if (this.#problems.length === 0) return;
    const details = [...new Set(this.#problems)];
    throw new PlatformError(
      'imports_unknown',
      `${this.#subject} imports ${plural(details.length, 'function')} that nothing provides`,
      {
        details: cutDetails(details),
        hints: [...this.#hints, 'provided interfaces: wasmcloud docs wasi2, wasmcloud docs wasi3'],
      },
    );
  }
}

/** Most hints after which no similar interfaces are looked up: a component may import thousands. */
const nearestHintsMax = 3;
/** Unknown interfaces for which the nearest known one is looked up: a lookup takes up to two milliseconds. */
const nearestLookupsMax = 32;

/** Worlds of other hosts, whose programs cannot run here. */
const foreignWorlds: readonly { readonly names: RegExp; readonly hint: string }[] = [
  {
    names: /^fastly:/,
    hint: "the interfaces of Fastly's Compute exist there only: build for wasi:http/proxy instead",
  },
  {
    names: /^(fermyon:)?spin(:|$)|^fermyon:/,
    hint: 'interfaces of Spin exist there only: use those of wasi:http and wasi:keyvalue',
  },
  { names: /^wasmcloud:/, hint: 'interfaces of wasmCloud exist there only: use those of wasi:http and wasi:keyvalue' },
  {
    names: /^wasi:nn|^wasi:blobstore|^wasi:messaging|^wasi:webgpu|^wasi:gfx|^wasi:tls/,
    hint: 'this interface of WASI is a proposal that is not provided here',
  },
];
