/** Fuses the core modules of a component, the glue between them, and the guards of parts that may throw exceptions. */
import type { CoreModules } from './core-modules.ts';
import { type Fused, fuse } from './fuse.ts';
import type { Glue } from './glue.ts';
import { guardUnit } from './guards.ts';
import type { Memories } from './memories.ts';
import { unsupportedComponent } from './refusals.ts';
import type { ExceptionForm } from './renumber.ts';
import type { KeptExport, Unit } from './unit.ts';

export interface FusePartsOptions {
  readonly glue: Glue;
  /** Index of the glue among the fused units; the core modules follow it. */
  readonly glueUnit: number;
  readonly memories: Memories;
  /** Index of the unit with the memory that holds all memories. */
  readonly memoriesUnit: number;
  readonly modules: CoreModules;
  /** Name of the component in messages. */
  readonly subject: string;
}

/**
 * Returns the fused module of the core modules `units`, whose only exports are `keep`. Nothing is added to the glue
 * after it. Throws as fuse does, and `module_unsupported` if the modules catch exceptions in both forms: the engine
 * takes one in a module.
 */
export function fuseParts(units: readonly Unit[], keep: readonly KeptExport[], options: FusePartsOptions): Fused {
  const { modules, subject } = options;
  const glue = options.glue.write();
  const mayThrow = units.some(({ bytes }) => modules.read(bytes).tags.length > 0);
  const fuseWith = (form: ExceptionForm | null): Fused => fuseGuarded(glue, units, { ...options, keep, form });
  const fused = fuseWith(mayThrow ? 'present' : null);
  const forms = fused.forms.slice(1, 1 + units.length);
  if (!forms.some((one) => one.has('legacy'))) return fused;
  if (forms.some((one) => one.has('present')))
    throw unsupportedComponent(subject, 'both forms of exceptions in one component');
  return mayThrow ? fuseWith('legacy') : fused;
}

/** Fuses with guards that catch exceptions in `form`; null: without guards. */
function fuseGuarded(
  glue: Uint8Array,
  units: readonly Unit[],
  {
    keep,
    form,
    memories,
    memoriesUnit,
    modules,
    subject,
    ...options
  }: FusePartsOptions & { readonly keep: readonly KeptExport[]; readonly form: ExceptionForm | null },
): Fused {
  const { areMerged, placed } = memories;
  const merged: Unit[] = areMerged ? [{ bytes: memories.laidOut(), resolve: () => null }] : [];
  const guarded = guardedGlue(options, { units: units.length, unit: 1 + units.length + merged.length, form });
  const ofUnit = [[], ...units.map((_, index) => memories.ofInstance(index)), [], ...guarded.guards.map(() => [])];
  return fuse([{ bytes: glue, resolve: guarded.resolve }, ...units, ...merged, ...guarded.guards], keep, {
    subject,
    modules,
    memories: areMerged ? { unit: memoriesUnit, placed, ofUnit } : null,
  });
}

/**
 * Returns what the glue imports, and the unit `unit` of guards (guards.ts) through which it calls the `units` core
 * modules.
 */
function guardedGlue(
  { glue, glueUnit }: Pick<FusePartsOptions, 'glue' | 'glueUnit'>,
  { units, unit, form }: { readonly units: number; readonly unit: number; readonly form: ExceptionForm | null },
): { readonly guards: readonly Unit[]; readonly resolve: Unit['resolve'] } {
  const resolve: Unit['resolve'] = (module, name) => glue.resolve(module, name);
  if (form === null) return { guards: [], resolve };
  const functions = glue.imports.filter(
    ({ target }) => target.kind === 'unit' && target.unit !== glueUnit && target.unit <= units,
  );
  const names = new Map(functions.map(({ target }, index) => [JSON.stringify(target), String(index)]));
  return {
    guards: [guardUnit(functions, form)],
    resolve: (module, imported) => {
      const target = resolve(module, imported);
      const name = target === null ? undefined : names.get(JSON.stringify(target));
      return name === undefined ? target : { kind: 'unit', unit, name };
    },
  };
}
