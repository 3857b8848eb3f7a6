/**
 * Reads all state that code can change from an instance whose start-up has just returned.
 *
 * Casts: the probe exports each under the name asked for, with the value's own type.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { GuestInstance } from '../kernel/instance.ts';
import type { Module } from '../wasm/format/model.ts';
import type { Frozen, GlobalValue } from '../wasm/snapshot/freeze.ts';
import type { StartUpProbe } from '../wasm/snapshot/probe.ts';
import type { StartUpLimits } from './limits.ts';

/** Gas for one function of the probe, which executes fewer than ten instructions. */
const probeGas = 1_000_000;

export interface StateOptions {
  readonly module: Module;
  readonly probe: StartUpProbe;
  /** Whether any code of the module can change a table or drop a segment. */
  readonly canChangeTables: boolean;
  readonly limits: Pick<StartUpLimits, 'tableEntries'>;
  readonly name: string;
}

/** Returns the state of the instance. Throws `snapshot_failed` for state that a module cannot express. */
export function readState(instance: GuestInstance, options: StateOptions): Frozen {
  const { module, probe, canChangeTables } = options;
  const call = (name: string): unknown => {
    const gas = instance.exports[instance.plan.gasGlobal] as WebAssembly.Global<'i32'>;
    gas.value = probeGas;
    return (instance.exports[name] as () => unknown)();
  };
  const isDropped = (name: string): boolean => {
    try {
      call(name);
      return false;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return true;
      throw error;
    }
  };
  return {
    memory: module.memories.length === 0 ? null : Uint8Array.from(instance.guestMemory.all),
    globals: new Map(
      probe.globals.map(({ index, type, read }) => [index, globalValue(module, type, call(read))] as const),
    ),
    tables: canChangeTables ? readTables(instance, options) : null,
    droppedData: new Set(probe.data.filter(({ holds }) => isDropped(holds)).map(({ segment }) => segment)),
    droppedElements: new Set(probe.elements.filter(({ holds }) => isDropped(holds)).map(({ segment }) => segment)),
  };
}

function globalValue(module: Module, type: StartUpProbe['globals'][number]['type'], value: unknown): GlobalValue {
  switch (type) {
    case 'i32':
    case 'f32':
      return { type, bits: value as number };
    case 'i64':
    case 'f64':
      return { type, bits: value as bigint };
    case 'v128':
      return { type, halves: value as [bigint, bigint] };
    case 'funcref':
      return { type, index: functionIndexOf(module, value) };
    default:
      // The probe reads no globals of other types: the host hands out no externref, and a mutable exnref is refused.
      throw new Error(`a global of type ${type} was read`);
  }
}

function readTables(
  instance: GuestInstance,
  { module, probe, limits, name }: StateOptions,
): ReadonlyMap<number, readonly (number | null)[]> {
  const tables = probe.tables.map(({ index, table }) => [index, instance.exports[table] as WebAssembly.Table] as const);
  const total = tables.reduce((sum, [, table]) => sum + table.length, 0);
  if (total > limits.tableEntries)
    throw new PlatformError('snapshot_failed', `the tables of ${name} have ${total} entries after its start-up`, {
      details: [`${limits.tableEntries} at most can be looked at`],
    });
  return new Map(
    tables.map(([index, table]) => [
      index,
      Array.from({ length: table.length }, (_, entry) => functionIndexOf(module, table.get(entry))),
    ]),
  );
}

/**
 * Returns the index in `module` of `value`, a function of the probe's instance; null for null. The JavaScript interface
 * names a function by its index in the instance ("name of the WebAssembly function"); rewriting has added one import
 * after the module's own, which shifts the index.
 */
function functionIndexOf(module: Module, value: unknown): number | null {
  if (value === null) return null;
  const index = typeof value === 'function' && /^\d+$/.test(value.name) ? Number(value.name) : Number.NaN;
  const imports = module.functionImports.length;
  const own = index < imports ? index : index - 1;
  if (!(own < module.functionTypes.length) || index === imports)
    throw new PlatformError('snapshot_failed', 'a table or global holds a function that the module does not have');
  return own;
}
