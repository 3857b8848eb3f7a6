/** Writes `resource.new`, `resource.rep` and `resource.drop` of the resources that a component defines. */
import type { FuncType } from '../../protocol/module.ts';
import { constant, emptyBlock, op } from '../wasm/format/instructions.ts';
import { destructorType, hostOwns, hostResources } from './glue-hosts.ts';
import type { GluePieces } from './glue-pieces.ts';
import type { Part } from './graph.ts';
import type { ImportTarget } from './unit.ts';

/** A function of a resource type that the component defines. */
export interface ResourceFunction {
  readonly operation: 'new' | 'rep' | 'drop';
  /** Number of the resource type. */
  readonly resource: number;
  /** Called with the representation after a drop of an owned handle; null: there is none. */
  readonly destructor: ImportTarget | null;
  /** The part that calls; null: the component is not composed. */
  readonly part: Part | null;
  /** The component instance that defines the resource. */
  readonly definer: number;
}

/** Adds `resource.new`, `resource.rep` or `resource.drop`. Returns the name of its export. */
export function addResource(
  pieces: GluePieces,
  { operation, resource, destructor, part, definer }: ResourceFunction,
): string {
  const { module } = pieces;
  if (operation === 'drop' && destructor !== null && part !== null)
    return addDropOfPart(pieces, { resource, destructor, part, definer });
  const select = pieces.selector(part);
  const call = module.import(hostResources[operation], hostResources[operation].type);
  const after = destructor === null ? null : module.import(destructor, destructorType);
  const results: FuncType['results'] = operation === 'drop' ? [] : ['i32'];
  return module.add({ params: ['i32'], results }, 0, (code) => {
    if (operation !== 'rep') pieces.trapIfConfined(code, part);
    select(code);
    constant(code, resource);
    code.instruction(op.localGet, 0);
    code.instruction(op.call, call);
    if (operation !== 'drop') return;
    if (after === null) code.u8(op.drop);
    else code.instruction(op.call, after);
  });
}

/** Adds the drop of a handle that may be borrowed, and whose destructor may be code of another part. */
function addDropOfPart(
  pieces: GluePieces,
  {
    resource,
    destructor,
    part,
    definer,
  }: {
    readonly resource: number;
    readonly destructor: ImportTarget;
    readonly part: Part;
    readonly definer: number;
  },
): string {
  const { module } = pieces;
  const select = pieces.selector(part);
  const owns = module.import(hostOwns, hostOwns.type);
  const drop = module.import(hostResources.drop, hostResources.drop.type);
  const after = module.import(destructor, destructorType);
  const globals = pieces.callGlobals(definer);
  const keep = pieces.callKeeper({ component: definer });
  return module.add({ params: ['i32'], results: [] }, 4, (code) => {
    pieces.trapIfConfined(code, part);
    select(code);
    constant(code, resource);
    code.instruction(op.localGet, 0);
    code.instruction(op.call, owns);
    code.instruction(op.localSet, 1);
    constant(code, resource);
    code.instruction(op.localGet, 0);
    code.instruction(op.call, drop);
    code.instruction(op.localSet, 0);
    code.instruction(op.localGet, 1);
    code.raw(Uint8Array.of(op.if, emptyBlock));
    const callDestructor = (): void => {
      code.instruction(op.localGet, 0);
      code.instruction(op.call, after);
    };
    keep(code, 2, () => {
      globals.forEach((global, index) => {
        constant(code, index < 2 ? 0 : 1);
        code.instruction(op.globalSet, global);
      });
      callDestructor();
    });
    code.u8(op.end);
  });
}
