/** How types are written in the binary format. */
import type { PrimitiveType } from '../../../src/guest/component/wit.ts';
import { leb } from '../../support/component-builder.ts';
import type { Part } from './scope.ts';

/** Primitive types by their codes. */
export const primitives: Readonly<Record<PrimitiveType, number>> = {
  bool: 0x7f,
  s8: 0x7e,
  u8: 0x7d,
  s16: 0x7c,
  u16: 0x7b,
  s32: 0x7a,
  u32: 0x79,
  s64: 0x78,
  u64: 0x77,
  f32: 0x76,
  f64: 0x75,
  char: 0x74,
  string: 0x73,
  'error-context': 0x64,
};
/** Writes the index of a type where a primitive type may stand. */
export function typeIndex(index: number): Part {
  return index < 64 ? index : [...leb(index), 0];
}
