/** wasi:http/types, `fields`: header and trailer sections. */
import { KIB } from '../../../../../protocol/limits.ts';
import { borrow, func, hostResource, list, own, result, tuple, variant } from '../../../../component/wit.ts';
import { dropRow, type Err, err, type Ok, ok, witRow } from '../../../canonical/row.ts';
import type { HttpField } from '../../../incoming-http.ts';
import { GuestFault } from '../../../memory.ts';
import { connectionFields } from '../../../net/connection-fields.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';

export const httpTypesName = 'wasi:http/types@0.2';
export const fieldsResource = hostResource(httpTypesName, 'fields');

export const headerErrorType = variant({ 'invalid-syntax': null, forbidden: null, immutable: null });
type HeaderError = Err<{ readonly tag: 'invalid-syntax' | 'forbidden' | 'immutable' }>;

/** Most bytes of one `fields`; each field counts 32 bytes more. Servers accept 8 to 64 KiB. */
const fieldsBytesMax = 128 * KIB;
const fieldOverheadBytes = 32;

// Matches a token (RFC 9110 5.6.2).
const namePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Names that a component may not set: fields of the connection, which the platform sets (RFC 9110 7.6.1), and those
 * that name the host.
 */
const forbiddenNames: ReadonlySet<string> = new Set([...connectionFields, 'host']);

export function isForbidden(name: string): boolean {
  return forbiddenNames.has(name);
}

/** Thrown for fields that exceed fieldsBytesMax. */
export class FieldsTooLarge extends GuestFault {}

const invalidSyntax = err({ tag: 'invalid-syntax' } as const);
const forbidden = err({ tag: 'forbidden' } as const);
const immutable = err({ tag: 'immutable' } as const);

export class Fields extends HostObject {
  readonly what = 'fields';
  readonly #guest: Process;
  readonly #isMutable: boolean;
  /** Entries, which others may have since `entries` was read: only then they are copied before they change. */
  #entries: HttpField[];
  #isShared: boolean;
  #bytes = 0;
  #heldBytes = 0;

  private constructor(guest: Process, entries: readonly HttpField[], parent: HostObject | null, isMutable: boolean) {
    super(parent);
    this.#guest = guest;
    this.#entries = entries as HttpField[]; // Copied before they change, see below.
    this.#isShared = true;
    this.#isMutable = isMutable;
  }

  /**
   * Returns new fields that the guest may change, with copies of `entries`. Throws GuestFault if they are too large.
   */
  static from(guest: Process, entries: readonly HttpField[]): Fields {
    const fields = new Fields(guest, none, null, true);
    if (entries.length > 0) fields.replace(entries.map(([name, value]) => [name, value.slice()]));
    return fields;
  }

  /** Returns fields that show `entries` and cannot be changed. */
  static showing(guest: Process, entries: readonly HttpField[], parent: HostObject | null): Fields {
    return new Fields(guest, entries, parent, false);
  }

  get entries(): readonly HttpField[] {
    this.#isShared = true;
    return this.#entries;
  }

  /** Returns why the field `name` (in upper or lower case) may not be set; null: it may. */
  refusal(name: string): HeaderError | null {
    return refusalOf(name) ?? (this.#isMutable ? null : immutable);
  }

  /** Replaces all entries by `entries`, which are not changed. Throws GuestFault if they are too large. */
  replace(entries: readonly HttpField[]): void {
    const bytes = entries.reduce((sum, field) => sum + bytesOf(field), 0);
    this.#count(bytes);
    this.#guest.work(bytes);
    this.#entries = entries as HttpField[]; // copied before they change
    this.#isShared = true;
  }

  /** Adds `field` after all others. Throws GuestFault if they are too large. */
  append(field: HttpField): void {
    const bytes = bytesOf(field);
    this.#count(this.#bytes + bytes);
    this.#guest.work(bytes);
    if (this.#isShared) {
      this.#guest.work(this.#entries.length);
      this.#entries = [...this.#entries];
      this.#isShared = false;
    }
    this.#entries.push(field);
  }

  /** Counts the bytes that the entries will have. Throws GuestFault if they are too many. */
  #count(bytes: number): void {
    if (bytes > fieldsBytesMax)
      throw new FieldsTooLarge(`fields of ${bytes} bytes, at most ${fieldsBytesMax} are possible`);
    const more = bytes - this.#bytes;
    if (more > 0 && !this.#guest.held.take(more)) throw new GuestFault('the invocation holds too many header fields');
    if (more < 0) this.#guest.held.give(-more);
    this.#bytes = bytes;
    this.#heldBytes += more;
  }

  override close(): undefined {
    this.#guest.held.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}

const none: readonly HttpField[] = [];

function bytesOf([name, value]: HttpField): number {
  return name.length + value.length + fieldOverheadBytes;
}

/** Returns why nobody may set the field `name`; null: it may be set. */
function refusalOf(name: string): HeaderError | null {
  if (!namePattern.test(name)) return invalidSyntax;
  return isForbidden(name.toLowerCase()) ? forbidden : null;
}

/** Returns whether `value` can be a field value: visible characters, spaces, tabs, obs-text (RFC 9110 5.5). */
function isValue(value: Uint8Array): boolean {
  for (let index = 0; index < value.length; index += 1) {
    const byte = value[index] as number; // inside the value
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return false;
  }
  return true;
}

const fieldValueType = list('u8');
const entriesType = list(tuple('string', fieldValueType));
const self = { self: borrow(fieldsResource) } as const;
const doneOrError = result(null, headerErrorType);

/** Returns empty fields. */
const newFields = witRow('[constructor]fields', func({}, own(fieldsResource)), (guest: Process) =>
  Fields.from(guest, []),
);

/**
 * Returns fields with the given names and values.
 *
 * Errors: invalid-syntax a name that is no token, or a value with control characters; forbidden a field that belongs to
 * the connection (connection, host, keep-alive, proxy-*, transfer-encoding, upgrade …).
 */
const fieldsFromList = witRow(
  '[static]fields.from-list',
  func({ entries: entriesType }, result(own(fieldsResource), headerErrorType)),
  (guest: Process, entries: readonly (readonly [string, Uint8Array])[]): Ok<Fields> | HeaderError => {
    for (const [name, value] of entries) {
      const refusal = refusalOf(name);
      if (refusal !== null) return refusal;
      if (!isValue(value)) return invalidSyntax;
    }
    return ok(
      Fields.from(
        guest,
        entries.map(([name, value]) => [name.toLowerCase(), value]),
      ),
    );
  },
);

/** Returns the values of all fields called `name`, in order; an empty list without such a field. */
const fieldsGet = witRow(
  '[method]fields.get',
  func({ ...self, name: 'string' }, list(fieldValueType)),
  (_guest: Process, fields: Fields, name: string) => {
    const wanted = name.toLowerCase();
    return fields.entries.filter(([key]) => key === wanted).map(([, value]) => value);
  },
);

/** Returns whether a field is called `name`. */
const fieldsHas = witRow(
  '[method]fields.has',
  func({ ...self, name: 'string' }, 'bool'),
  (_guest: Process, fields: Fields, name: string) => {
    const wanted = name.toLowerCase();
    return fields.entries.some(([key]) => key === wanted);
  },
);

/**
 * Sets the field `name` to the values `value`. Replaces all fields of that name.
 *
 * Errors: invalid-syntax, forbidden as fields.from-list; immutable fields of a request or response.
 */
const fieldsSet = witRow(
  '[method]fields.set',
  func({ ...self, name: 'string', value: list(fieldValueType) }, doneOrError),
  (_guest: Process, fields: Fields, name: string, values: readonly Uint8Array[]) => {
    const refusal = fields.refusal(name);
    if (refusal !== null) return refusal;
    if (!values.every(isValue)) return invalidSyntax;
    const key = name.toLowerCase();
    fields.replace([...without(fields, key), ...values.map((value): HttpField => [key, value.slice()])]);
    return ok();
  },
);

/**
 * Removes all fields called `name`.
 *
 * Errors: invalid-syntax, forbidden as fields.from-list; immutable fields of a request or response.
 */
const fieldsDelete = witRow(
  '[method]fields.delete',
  func({ ...self, name: 'string' }, doneOrError),
  (_guest: Process, fields: Fields, name: string) => {
    const refusal = fields.refusal(name);
    if (refusal !== null) return refusal;
    fields.replace(without(fields, name.toLowerCase()));
    return ok();
  },
);

/**
 * Adds the field `name` with the value `value` after all others.
 *
 * Errors: invalid-syntax, forbidden as fields.from-list; immutable fields of a request or response.
 */
const fieldsAppend = witRow(
  '[method]fields.append',
  func({ ...self, name: 'string', value: fieldValueType }, doneOrError),
  (_guest: Process, fields: Fields, name: string, value: Uint8Array) => {
    const refusal = fields.refusal(name);
    if (refusal !== null) return refusal;
    if (!isValue(value)) return invalidSyntax;
    fields.append([name.toLowerCase(), value.slice()]);
    return ok();
  },
);

/** Returns all names, in lower case, and values, in order. */
const fieldsEntries = witRow(
  '[method]fields.entries',
  func(self, entriesType),
  (_guest: Process, fields: Fields) => fields.entries,
);

/** Returns new fields with the same entries, which can be changed. */
const fieldsClone = witRow('[method]fields.clone', func(self, own(fieldsResource)), (guest: Process, fields: Fields) =>
  Fields.from(guest, fields.entries),
);

/** Drops fields. */
const dropFields = dropRow(fieldsResource);

function without(fields: Fields, key: string): readonly HttpField[] {
  return fields.entries.filter(([name]) => name !== key);
}

export const fieldsRows = [
  newFields,
  fieldsFromList,
  fieldsGet,
  fieldsHas,
  fieldsSet,
  fieldsDelete,
  fieldsAppend,
  fieldsEntries,
  fieldsClone,
  dropFields,
];
