/**
 * Functions around what code of the linker calls in the parts of a composed component. An exception that a part does
 * not catch traps, so that no other part catches it (CanonicalABI.md "canon lift").
 */
import type { FuncType } from '../../protocol/module.ts';
import { emptyBlock, op } from '../wasm/format/instructions.ts';
import { functionNames } from '../wasm/format/sections/custom.ts';
import { valTypeBytes } from '../wasm/format/types.ts';
import { ByteWriter } from '../wasm/format/writer.ts';
import { putParams } from './glue-pieces.ts';
import { guardName } from './recognise.ts';
import type { ExceptionForm } from './renumber.ts';
import type { ImportTarget, Unit } from './unit.ts';

interface Guarded {
  readonly target: ImportTarget;
  readonly type: FuncType;
}

const tryTable = 0x1f;
const catchAll = 2;
const legacyTry = 0x06;
const legacyCatchAll = 0x19;

/** What stands before and after a call, so that an exception of it becomes a trap. The call's results are returned. */
const catching = {
  present: {
    before: Uint8Array.of(op.block, emptyBlock, tryTable, emptyBlock, 1, catchAll, 0),
    after: Uint8Array.of(op.return, op.end, op.end, op.unreachable, op.end),
  },
  legacy: {
    before: Uint8Array.of(legacyTry, emptyBlock),
    after: Uint8Array.of(op.return, legacyCatchAll, op.end, op.unreachable, op.end),
  },
} as const;

/** Returns a unit that exports a function around each of `functions`, under its number, in one form of exceptions. */
export function guardUnit(functions: readonly Guarded[], form: ExceptionForm): Unit {
  return { bytes: guardModule(functions, form), resolve: (_module, name) => functions[Number(name)]?.target ?? null };
}

function guardModule(functions: readonly Guarded[], form: ExceptionForm): Uint8Array {
  const writer = new ByteWriter(1024);
  writer.raw(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const section = (id: number, write: (one: Guarded, index: number) => void): void =>
    writer.section(id, () => {
      writer.u32(functions.length);
      functions.forEach(write);
    });
  section(1, ({ type: { params, results } }) => {
    writer.u8(0x60);
    for (const list of [params, results]) {
      writer.u32(list.length);
      for (const type of list) writer.u8(valTypeBytes[type]);
    }
  });
  section(2, (_one, index) => {
    writer.name('guarded');
    writer.name(String(index));
    writer.u8(0);
    writer.u32(index);
  });
  section(3, (_one, index) => writer.u32(index));
  section(7, (_one, index) => {
    writer.name(String(index));
    writer.u8(0);
    writer.u32(functions.length + index);
  });
  section(10, ({ type }, index) =>
    writer.sized(() => {
      writer.u32(0);
      writer.raw(catching[form].before);
      putParams(writer, type.params);
      writer.instruction(op.call, index);
      writer.raw(catching[form].after);
    }),
  );
  writer.section(0, () => {
    writer.name('name');
    writer.section(functionNames, () => {
      writer.u32(functions.length);
      functions.forEach((_one, index) => {
        writer.u32(functions.length + index);
        writer.name(guardName);
      });
    });
  });
  return writer.view();
}
