/**
 * Writes values of interface types to guest memory and as core values. `lowerer` makes the writer of a type once, when
 * the table of host functions is built.
 *
 * Spec: component-model, CanonicalABI.md "Storing", "Flat Lowering".
 *
 * Casts: values come from host functions, whose rows state the type; the conformance tests call each of them.
 */
import {
  alignment,
  casesOf,
  discriminantBytes,
  elementBytes,
  flagsBytes,
  payloadOffset,
  recordLayout,
  type VariantLike,
} from '../../component/flatten.ts';
import type { Labelled, WitType } from '../../component/wit.ts';
import { isShortAscii, octetsOf } from '../memory.ts';
import type { Process } from '../process.ts';
import { elementFor } from './async/elements.ts';
import { lowerEnd } from './async/end-handles.ts';
import { type ErrorContext, errorContextResource } from './async/error-context.ts';
import type { Readable } from './async/shared.ts';
import { type CoreValue, isNested, toKey } from './lift.ts';
import { encodeText, textAlignment } from './text.ts';

export interface Lowerer {
  /**
   * Writes `value` to `pointer`, which must be aligned and inside the memory. Lists and strings are requested from
   * `guest.component.allocations` and written later.
   */
  store(guest: Process, pointer: number, value: unknown): void;
  /** Returns the core value of a type that has exactly one; throws for other types. */
  flat(guest: Process, value: unknown): CoreValue;
}

/** Returns the writer of `type`. Throws for types that no host function returns. */
export function lowerer(type: WitType): Lowerer {
  if (typeof type === 'string') return primitive(type);
  switch (type.kind) {
    case 'list':
      return type.length === null ? listLowerer(type.of) : fixedListLowerer(type.of, type.length);
    case 'record':
      return recordLowerer(type.fields);
    case 'tuple':
      return tupleLowerer(type.of);
    case 'flags':
      return flagsLowerer(type.labels);
    case 'own':
      return integer(4, (guest, value) => guest.component.handles.add(type.resource, value as object));
    case 'borrow':
      throw new Error('a host function returns no borrow');
    case 'stream':
    case 'future': {
      const { kind } = type;
      const element = elementFor(type.of);
      return integer(4, (guest, value) => lowerEnd(guest, kind, element, value as Readable));
    }
    default:
      return variantLowerer(type);
  }
}

/** Returns the writer of an i32 that takes `bytes` bytes in memory. */
function integer(bytes: 1 | 2 | 4, toNumber: (guest: Process, value: unknown) => number): Lowerer {
  return {
    store: (guest, pointer, value) => setInteger(guest, pointer, bytes, toNumber(guest, value)),
    flat: toNumber,
  };
}

function setInteger(guest: Process, pointer: number, bytes: 1 | 2 | 4, value: number): void {
  if (bytes === 1) guest.memory.setU8(pointer, value);
  else if (bytes === 2) guest.memory.setU16(pointer, value);
  else guest.memory.setU32(pointer, value);
}

function primitive(type: Extract<WitType, string>): Lowerer {
  switch (type) {
    case 'bool':
      return integer(1, (_guest, value) => (value === true ? 1 : 0));
    case 's8':
    case 'u8':
      return integer(1, (_guest, value) => value as number);
    case 's16':
    case 'u16':
      return integer(2, (_guest, value) => value as number);
    case 's32':
    case 'u32':
      return integer(4, (_guest, value) => value as number);
    case 'error-context':
      return integer(4, (guest, value) => guest.component.handles.add(errorContextResource, value as ErrorContext));
    case 'char':
      return integer(4, (_guest, value) => (value as string).codePointAt(0) ?? 0);
    case 's64':
    case 'u64':
      return {
        store: (guest, pointer, value) => guest.memory.setU64(pointer, value as bigint),
        flat: (_guest, value) => value as bigint,
      };
    case 'f32':
      return {
        store: (guest, pointer, value) =>
          guest.memory.view.setFloat32(guest.memory.check(pointer, 4), value as number, true),
        flat: (_guest, value) => value as number,
      };
    case 'f64':
      return {
        store: (guest, pointer, value) =>
          guest.memory.view.setFloat64(guest.memory.check(pointer, 8), value as number, true),
        flat: (_guest, value) => value as number,
      };
    case 'string':
      return memoryOnly((guest, pointer, value) => storeText(guest, pointer, value as string | Uint8Array));
  }
}

function memoryOnly(store: Lowerer['store']): Lowerer {
  return {
    store,
    flat: () => {
      throw new Error('a value of more than one core value');
    },
  };
}

function storeText(guest: Process, pointer: number, value: string | Uint8Array): void {
  const { encoding } = guest.component;
  if (encoding === 'utf8') {
    if (typeof value === 'string' && isShortAscii(value)) storeAscii(guest, pointer, value);
    else storeBytes(guest, pointer, octetsOf(value));
    return;
  }
  const text = typeof value === 'string' ? value : Buffer.from(value).toString();
  const { bytes, length } = encodeText(text, encoding);
  guest.memory.setU32(pointer + 4, length);
  guest.component.allocations.request(bytes.length, textAlignment(encoding), (start) => {
    guest.memory.setU32(pointer, start);
    if (bytes.length > 0) guest.memory.put(start, bytes);
  });
}

function storeAscii(guest: Process, pointer: number, text: string): void {
  guest.memory.setU32(pointer + 4, text.length);
  guest.component.allocations.request(text.length, 1, (start) => {
    guest.memory.setU32(pointer, start);
    guest.memory.putAscii(start, text);
  });
}

function storeBytes(guest: Process, pointer: number, bytes: Uint8Array): void {
  guest.memory.setU32(pointer + 4, bytes.length);
  guest.component.allocations.request(bytes.length, 1, (start) => {
    guest.memory.setU32(pointer, start);
    if (bytes.length > 0) guest.memory.put(start, bytes);
  });
}

function listLowerer(of: WitType): Lowerer {
  if (of === 'u8') return memoryOnly((guest, pointer, value) => storeBytes(guest, pointer, value as Uint8Array));
  const element = lowerer(of);
  const bytes = elementBytes(of);
  const align = alignment(of);
  return memoryOnly((guest, pointer, value) => {
    const values = value as readonly unknown[];
    const { component } = guest;
    const { encoding } = component;
    guest.memory.setU32(pointer + 4, values.length);
    component.allocations.request(values.length * bytes, align, (start) => {
      guest.memory.setU32(pointer, start);
      // The guest may have allocated in another call, which delivers the result of this one.
      component.withEncoding(encoding, () => {
        values.forEach((one, index) => {
          element.store(guest, start + index * bytes, one);
        });
      });
    });
  });
}

function fixedListLowerer(of: WitType, length: number): Lowerer {
  const one = lowerer(of);
  const bytes = elementBytes(of);
  return {
    store: (guest, pointer, value) => {
      const values = value as readonly unknown[];
      for (let index = 0; index < length; index += 1) one.store(guest, pointer + index * bytes, values[index]);
    },
    flat: (guest, value) => {
      if (length !== 1) throw new Error('a value of more than one core value');
      return one.flat(guest, (value as readonly unknown[])[0]);
    },
  };
}

function tupleLowerer(of: readonly WitType[]): Lowerer {
  const parts = of.map(lowerer);
  const { offsets } = recordLayout(of);
  return {
    store: (guest, pointer, value) => {
      const values = value as readonly unknown[];
      parts.forEach((part, index) => {
        part.store(guest, pointer + (offsets[index] as number), values[index]);
      });
    },
    flat: (guest, value) => {
      const [part] = parts;
      if (part === undefined || parts.length > 1) throw new Error('a value of more than one core value');
      return part.flat(guest, (value as readonly unknown[])[0]);
    },
  };
}

function recordLowerer(fields: readonly Labelled[]): Lowerer {
  const tuple = tupleLowerer(fields.map((field) => field.type));
  const keys = fields.map((field) => toKey(field.name));
  const values = (value: unknown): unknown[] => keys.map((key) => (value as Readonly<Record<string, unknown>>)[key]);
  return {
    store: (guest, pointer, value) => tuple.store(guest, pointer, values(value)),
    flat: (guest, value) => tuple.flat(guest, values(value)),
  };
}

function flagsLowerer(labels: readonly string[]): Lowerer {
  return integer(flagsBytes(labels.length), (_guest, value) => {
    const set = value as ReadonlySet<string>;
    return labels.reduce((bits, label, index) => (set.has(label) ? bits | (1 << index) : bits), 0);
  });
}

interface Chooser {
  /** Returns the index of the case of a JavaScript value. */
  readonly caseOf: (value: unknown) => number;
  readonly payloadOf: (value: unknown) => unknown;
}

/** Returns functions that find case and payload of a JavaScript value. */
function chooser(type: VariantLike): Chooser {
  const ofCase = (value: unknown): unknown => (value as { readonly value?: unknown }).value;
  switch (type.kind) {
    case 'option':
      return {
        caseOf: (value) => (value === null ? 0 : 1),
        payloadOf: isNested(type.of) ? (value) => (value as { readonly some: unknown }).some : (value) => value,
      };
    case 'enum': {
      const indices = new Map(type.labels.map((label, index) => [label, index]));
      return { caseOf: (value) => found(indices, value as string), payloadOf: () => null };
    }
    case 'result':
      return { caseOf: (value) => ((value as { readonly tag: string }).tag === 'ok' ? 0 : 1), payloadOf: ofCase };
    case 'variant': {
      const indices = new Map(type.cases.map((one, index) => [one.name, index]));
      return { caseOf: (value) => found(indices, (value as { readonly tag: string }).tag), payloadOf: ofCase };
    }
  }
}

function found(indices: ReadonlyMap<string, number>, label: string): number {
  const index = indices.get(label);
  if (index === undefined) throw new Error(`no case is called ${label}`);
  return index;
}

function variantLowerer(type: VariantLike): Lowerer {
  const cases = casesOf(type);
  const { caseOf, payloadOf } = chooser(type);
  const payloads = cases.map((one) => (one.type === null ? null : lowerer(one.type)));
  const bytes = discriminantBytes(cases.length);
  const offset = payloadOffset(cases);
  return {
    store: (guest, pointer, value) => {
      const index = caseOf(value);
      setInteger(guest, pointer, bytes, index);
      const payload = payloads[index] ?? null;
      if (payload !== null) payload.store(guest, pointer + offset, payloadOf(value));
    },
    flat: (_guest, value) => caseOf(value),
  };
}
