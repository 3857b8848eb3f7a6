/**
 * Describes every accepted instruction: the layout of its immediates and its effect on the height of the operand stack
 * (core specification, 5.4 and appendix A.7). The scanner computes effects that depend on an index.
 */

/** Layouts of immediates. Layouts that the scanner's switch treats alike have neighbouring numbers. */
export const shape = {
  undefined: 0,
  plain: 1,
  memoryArgument: 2,
  local: 3,
  i32: 4,
  i64: 5,
  f32: 6,
  f64: 7,
  globalGet: 8,
  globalSet: 9,
  call: 10,
  callIndirect: 11,
  returnCall: 12,
  returnCallIndirect: 13,
  block: 14,
  loop: 15,
  if: 16,
  else: 17,
  end: 18,
  br: 19,
  brIf: 20,
  brTable: 21,
  return: 22,
  unreachable: 23,
  memorySize: 24,
  memoryGrow: 25,
  tableGet: 26,
  tableSet: 27,
  refNull: 28,
  refFunc: 29,
  selectTyped: 30,
  prefixFc: 31,
  prefixFd: 32,
  refused: 33,
  try: 38,
  catch: 39,
  catchAll: 40,
  delegate: 41,
  throw: 42,
  rethrow: 43,
  throwRef: 44,
  tryTable: 45,
  // Layouts after the prefix 0xfd only:
  v128: 34,
  shuffle: 35,
  lane: 36,
  memoryLane: 37,
} as const;

export const oneByteShapes = new Uint8Array(256);
export const oneByteDeltas = new Int8Array(256);
/** First sign extension opcode. Sign extensions are the only one-byte numeric instructions beyond the MVP. */
export const firstSignExtension = 0xc0;
export const lastSignExtension = 0xc4;

function define(first: number, last: number, kind: number, delta: number): void {
  oneByteShapes.fill(kind, first, last + 1);
  oneByteDeltas.fill(delta, first, last + 1);
}

define(0x00, 0x00, shape.unreachable, 0);
define(0x01, 0x01, shape.plain, 0); // nop
define(0x02, 0x02, shape.block, 0);
define(0x03, 0x03, shape.loop, 0);
define(0x04, 0x04, shape.if, -1);
define(0x05, 0x05, shape.else, 0);
define(0x06, 0x06, shape.try, 0);
define(0x07, 0x07, shape.catch, 0);
define(0x08, 0x08, shape.throw, 0);
define(0x09, 0x09, shape.rethrow, 0);
define(0x0a, 0x0a, shape.throwRef, 0);
define(0x0b, 0x0b, shape.end, 0);
define(0x0c, 0x0c, shape.br, 0);
define(0x0d, 0x0d, shape.brIf, -1);
define(0x0e, 0x0e, shape.brTable, -1);
define(0x0f, 0x0f, shape.return, 0);
define(0x10, 0x10, shape.call, 0);
define(0x11, 0x11, shape.callIndirect, -1);
define(0x12, 0x12, shape.returnCall, 0);
define(0x13, 0x13, shape.returnCallIndirect, -1);
define(0x18, 0x18, shape.delegate, 0);
define(0x19, 0x19, shape.catchAll, 0);
define(0x1a, 0x1a, shape.plain, -1); // drop
define(0x1b, 0x1b, shape.plain, -2); // select
define(0x1c, 0x1c, shape.selectTyped, -2);
define(0x1f, 0x1f, shape.tryTable, 0);
define(0x20, 0x20, shape.local, 1); // local.get
define(0x21, 0x21, shape.local, -1); // local.set
define(0x22, 0x22, shape.local, 0); // local.tee
define(0x23, 0x23, shape.globalGet, 1);
define(0x24, 0x24, shape.globalSet, -1);
define(0x25, 0x25, shape.tableGet, 0);
define(0x26, 0x26, shape.tableSet, -2);
define(0x28, 0x35, shape.memoryArgument, 0); // loads
define(0x36, 0x3e, shape.memoryArgument, -2); // stores
define(0x3f, 0x3f, shape.memorySize, 1);
define(0x40, 0x40, shape.memoryGrow, 0);
define(0x41, 0x41, shape.i32, 1);
define(0x42, 0x42, shape.i64, 1);
define(0x43, 0x43, shape.f32, 1);
define(0x44, 0x44, shape.f64, 1);
define(0x45, 0x45, shape.plain, 0); // i32.eqz
define(0x46, 0x4f, shape.plain, -1); // i32 comparisons
define(0x50, 0x50, shape.plain, 0); // i64.eqz
define(0x51, 0x66, shape.plain, -1); // i64, f32, f64 comparisons
define(0x67, 0x69, shape.plain, 0); // i32.clz ctz popcnt
define(0x6a, 0x78, shape.plain, -1);
define(0x79, 0x7b, shape.plain, 0); // i64.clz ctz popcnt
define(0x7c, 0x8a, shape.plain, -1);
define(0x8b, 0x91, shape.plain, 0); // f32.abs to sqrt
define(0x92, 0x98, shape.plain, -1);
define(0x99, 0x9f, shape.plain, 0); // f64.abs to sqrt
define(0xa0, 0xa6, shape.plain, -1);
define(0xa7, 0xbf, shape.plain, 0); // conversions
define(firstSignExtension, lastSignExtension, shape.plain, 0);
define(0xd0, 0xd0, shape.refNull, 1);
define(0xd1, 0xd1, shape.plain, 0); // ref.is_null
define(0xd2, 0xd2, shape.refFunc, 1);
define(0xfc, 0xfc, shape.prefixFc, 0);
define(0xfd, 0xfd, shape.prefixFd, 0);
for (const opcode of [0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xfb, 0xfe])
  define(opcode, opcode, shape.refused, 0);

/** Numbers of bulk instructions after the prefix 0xfc. Numbers 0 to 7 are saturating conversions. */
export const bulk = {
  memoryInit: 8,
  dataDrop: 9,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  elemDrop: 13,
  tableCopy: 14,
  tableGrow: 15,
  tableSize: 16,
  tableFill: 17,
} as const;

/** Layouts of vector instructions 0 to 255, after the prefix 0xfd. */
export const simdShapes = new Uint8Array(256);
export const simdDeltas = new Int8Array(256);

function simd(first: number, last: number, kind: number, delta: number): void {
  simdShapes.fill(kind, first, last + 1);
  simdDeltas.fill(delta, first, last + 1);
}

simd(0x00, 0x0a, shape.memoryArgument, 0); // v128.load and its extending and splatting forms
simd(0x0b, 0x0b, shape.memoryArgument, -2); // v128.store
simd(0x0c, 0x0c, shape.v128, 1);
simd(0x0d, 0x0d, shape.shuffle, -1);
simd(0x0e, 0x0e, shape.plain, -1); // i8x16.swizzle
simd(0x0f, 0x14, shape.plain, 0); // splats
for (const [opcode, delta] of [
  [0x15, 0], // extract_lane_s, extract_lane_u, replace_lane of i8x16, then of i16x8
  [0x16, 0],
  [0x17, -1],
  [0x18, 0],
  [0x19, 0],
  [0x1a, -1],
  [0x1b, 0], // extract_lane, replace_lane of i32x4, i64x2, f32x4, f64x2
  [0x1c, -1],
  [0x1d, 0],
  [0x1e, -1],
  [0x1f, 0],
  [0x20, -1],
  [0x21, 0],
  [0x22, -1],
] as const)
  simd(opcode, opcode, shape.lane, delta);
simd(0x23, 0x4c, shape.plain, -1); // comparisons
simd(0x4d, 0x4d, shape.plain, 0); // v128.not
simd(0x4e, 0x51, shape.plain, -1); // and andnot or xor
simd(0x52, 0x52, shape.plain, -2); // bitselect
simd(0x53, 0x53, shape.plain, 0); // any_true
simd(0x54, 0x57, shape.memoryLane, -1); // load_lane
simd(0x58, 0x5b, shape.memoryLane, -2); // store_lane
simd(0x5c, 0x5d, shape.memoryArgument, 0); // load32_zero, load64_zero
simd(0x5e, 0x5f, shape.plain, 0); // demote, promote
// All other instructions are arithmetic: two operands each, except the ones below with one.
simd(0x60, 0xff, shape.plain, -1);
for (const opcode of [
  0x60, 0x61, 0x62, 0x63, 0x64, 0x67, 0x68, 0x69, 0x6a, 0x74, 0x75, 0x7a, 0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x83,
  0x84, 0x87, 0x88, 0x89, 0x8a, 0x94, 0xa0, 0xa1, 0xa3, 0xa4, 0xa7, 0xa8, 0xa9, 0xaa, 0xc0, 0xc1, 0xc3, 0xc4, 0xc7,
  0xc8, 0xc9, 0xca, 0xe0, 0xe1, 0xe3, 0xec, 0xed, 0xef, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
])
  simd(opcode, opcode, shape.plain, 0);
for (const hole of [
  0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2,
  0xee,
])
  simd(hole, hole, shape.undefined, 0);
