/** Lists the parts of WebAssembly that are accepted, and names those that are refused (docs/safety.md). */

/** Accepted features beyond the MVP. Those that a module uses are listed when it is pushed. */
export const acceptedFeatures = [
  'mutable-globals',
  'sign-extension',
  'nontrapping-float-to-int',
  'multi-value',
  'bulk-memory',
  'reference-types',
  'simd',
  'tail-call',
  'extended-const',
  'exceptions',
  'legacy-exceptions',
] as const;
export type FeatureName = (typeof acceptedFeatures)[number];

/** Reason for refusing each feature; the person who pushed reads it. */
export const refusedFeatures = {
  'exception tags that are shared': 'a function is one module: no other could throw or catch what it does',
  'exceptions in tables or globals': 'they would outlive the call, and no limit counts what they keep',
  'garbage collection': 'its allocations escape the memory limit',
  threads: 'an atomic wait would block every other function',
  memory64: 'memories are limited to 32-bit addresses',
  'multiple memories': 'a function has one memory',
  'relaxed SIMD': 'its results differ from machine to machine',
  'function references': 'not supported yet',
  'stack switching': 'not supported yet',
  'custom page sizes': 'memory limits count pages of 64 KiB',
  'wide arithmetic': 'not supported yet',
  'shared-everything threads': 'an atomic wait would block every other function',
  'custom descriptors': 'not supported yet',
  'compact imports': 'not supported yet',
} as const;
export type RefusedFeature = keyof typeof refusedFeatures;

export interface RefusedName {
  readonly feature: RefusedFeature;
  readonly what: string;
}

/** Value, heap and storage types of refused features, by their byte. */
export const refusedTypes: Readonly<Record<number, RefusedName>> = {
  120: { feature: 'garbage collection', what: 'i8' },
  119: { feature: 'garbage collection', what: 'i16' },
  117: { feature: 'stack switching', what: 'nullcontref' },
  116: { feature: 'function references', what: 'nullexnref' },
  115: { feature: 'garbage collection', what: 'nullfuncref' },
  114: { feature: 'garbage collection', what: 'nullexternref' },
  113: { feature: 'garbage collection', what: 'nullref' },
  110: { feature: 'garbage collection', what: 'anyref' },
  109: { feature: 'garbage collection', what: 'eqref' },
  108: { feature: 'garbage collection', what: 'i31ref' },
  107: { feature: 'garbage collection', what: 'structref' },
  106: { feature: 'garbage collection', what: 'arrayref' },
  104: { feature: 'stack switching', what: 'contref' },
  101: { feature: 'shared-everything threads', what: 'shared type' },
  100: { feature: 'function references', what: '(ref …)' },
  99: { feature: 'function references', what: '(ref null …)' },
};

/** Refused forms of a type definition, by their byte. The accepted form is 0x60, a function type. */
export const refusedTypeForms: Readonly<Record<number, RefusedName>> = {
  101: { feature: 'shared-everything threads', what: 'shared type' },
  76: { feature: 'custom descriptors', what: 'describes' },
  77: { feature: 'custom descriptors', what: 'descriptor' },
  78: { feature: 'garbage collection', what: 'recursive type group' },
  79: { feature: 'garbage collection', what: 'final sub type' },
  80: { feature: 'garbage collection', what: 'sub type' },
  93: { feature: 'stack switching', what: 'continuation type' },
  94: { feature: 'garbage collection', what: 'array type' },
  95: { feature: 'garbage collection', what: 'struct type' },
};

const references: RefusedFeature = 'function references';
const switching: RefusedFeature = 'stack switching';
const gc: RefusedFeature = 'garbage collection';

/** One-byte opcodes of refused features, by opcode. */
export const refusedOpcodes: Readonly<Record<number, RefusedName>> = {
  20: { feature: references, what: 'call_ref' },
  21: { feature: references, what: 'return_call_ref' },
  211: { feature: gc, what: 'ref.eq' },
  212: { feature: references, what: 'ref.as_non_null' },
  213: { feature: references, what: 'br_on_null' },
  214: { feature: references, what: 'br_on_non_null' },
  224: { feature: switching, what: 'cont.new' },
  225: { feature: switching, what: 'cont.bind' },
  226: { feature: switching, what: 'suspend' },
  227: { feature: switching, what: 'resume' },
  228: { feature: switching, what: 'resume_throw' },
  229: { feature: switching, what: 'resume_throw_ref' },
  230: { feature: switching, what: 'switch' },
};

/** Names of refused instructions after the prefix 0xfb, by number. */
const gcOpcodes = (
  'struct.new struct.new_default struct.get struct.get_s struct.get_u struct.set array.new array.new_default ' +
  'array.new_fixed array.new_data array.new_elem array.get array.get_s array.get_u array.set array.len array.fill ' +
  'array.copy array.init_data array.init_elem ref.test ref.test_null ref.cast ref.cast_null br_on_cast ' +
  'br_on_cast_fail any.convert_extern extern.convert_any ref.i31 i31.get_s i31.get_u'
).split(' ');

/** Names of refused instructions after the prefix 0xfd, from number 0x100 on. */
const relaxedOpcodes = (
  'i8x16.relaxed_swizzle i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u i32x4.relaxed_trunc_f64x2_s_zero ' +
  'i32x4.relaxed_trunc_f64x2_u_zero f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd ' +
  'i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect ' +
  'f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max i16x8.relaxed_q15mulr_s ' +
  'i16x8.relaxed_dot_i8x16_i7x16_s i32x4.relaxed_dot_i8x16_i7x16_add_s'
).split(' ');

/** Names of refused instructions after the prefix 0xfc, from number 19 on. */
const wideOpcodes = ['i64.add128', 'i64.sub128', 'i64.mul_wide_s', 'i64.mul_wide_u'];

/** Returns the refused instruction `prefix sub`; undefined if no known feature has it. */
export function refusedPrefixed(prefix: number, sub: number): RefusedName | undefined {
  const named = (feature: RefusedFeature, what: string | undefined): RefusedName | undefined =>
    what === undefined ? undefined : { feature, what };
  if (prefix === 0xfb) return named(gc, gcOpcodes[sub] ?? `instruction 0xfb ${sub}`);
  if (prefix === 0xfc) return named('wide arithmetic', wideOpcodes[sub - 19]);
  if (prefix === 0xfd) return named('relaxed SIMD', relaxedOpcodes[sub - 0x100]);
  if (prefix === 0xfe) return named('threads', `atomic instruction 0xfe ${sub}`);
  return undefined;
}
