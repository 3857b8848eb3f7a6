/**
 * Reads the core modules of a component, each once. Checks them: the engine must accept them, and they may use only
 * features that a function may use.
 */
import type { Module } from '../wasm/format/model.ts';
import { readModule } from '../wasm/format/read-module.ts';
import { featureFindings, toError } from '../wasm/inspect/findings.ts';
import { type ModuleType, moduleTypeOf } from './module-type.ts';
import { invalidComponent, tooLargeComponent } from './refusals.ts';

export class CoreModules {
  readonly #subject: string;
  readonly #modules = new Map<Uint8Array, Module>();
  readonly #types = new Map<Uint8Array, ModuleType>();

  constructor(subject: string) {
    this.#subject = subject;
  }

  /**
   * Returns the module of `bytes`; the same object for the same array. Throws `module_invalid`, `module_unsupported`,
   * `module_too_large`.
   */
  read(bytes: Uint8Array): Module {
    const known = this.#modules.get(bytes);
    if (known !== undefined) return known;
    const module = this.#checked(bytes);
    this.#modules.set(bytes, module);
    return module;
  }

  /** Returns the type of the module of `bytes`; the same object for the same array. Throws as read does. */
  typeOf(bytes: Uint8Array): ModuleType {
    const known = this.#types.get(bytes);
    if (known !== undefined) return known;
    const type = moduleTypeOf(this.read(bytes));
    this.#types.set(bytes, type);
    return type;
  }

  #checked(bytes: Uint8Array): Module {
    const module = readModule(bytes, `${this.#subject}: a core module`, { isPart: true });
    const findings = featureFindings({ module });
    if (findings.length > 0) throw toError(this.#subject, findings);
    if (module.hopeless !== null)
      throw tooLargeComponent(this.#subject, `${module.hopeless.cap} of a core module`, module.hopeless.value - 1);
    try {
      const own = bytes as Uint8Array<ArrayBuffer>; // no SharedArrayBuffer: from a message or file
      if (!WebAssembly.validate(own)) new WebAssembly.Module(own);
    } catch (error) {
      const message = error instanceof Error ? error.message.replace(/^WebAssembly\.Module\(\): /, '') : String(error);
      throw invalidComponent(this.#subject, `a core module: ${message}`);
    }
    return module;
  }
}
