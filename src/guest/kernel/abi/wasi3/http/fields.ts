/** wasi:http/types, `fields`: header and trailer sections. */
import { borrow, func, hostResource, list, option, own, result, tuple, variant } from '../../../../component/wit.ts';
import { dropRow, err, ok, runOf, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { type Fields, FieldsTooLarge, fieldsRows as rows2 } from '../../wasi2/http/fields.ts';

export const httpTypesName = 'wasi:http/types@0.3';
export const fieldsResource = hostResource(httpTypesName, 'fields');

const headerErrorType = variant({
  'invalid-syntax': null,
  forbidden: null,
  immutable: null,
  'size-exceeded': null,
  other: option('string'),
});

const value = list('u8');
const entries = list(tuple('string', value));
const self = { self: borrow(fieldsResource) } as const;
const done = result(null, headerErrorType);

/** Returns what the function `name` of WASI 0.2 does; fields that would be too large are an error. */
function as2(name: string) {
  const row = rows2.find((one) => one.name === name);
  if (row === undefined) throw new Error(`fields have no ${name}`);
  const run = runOf(row);
  return (guest: Process, ...args: unknown[]): unknown => {
    try {
      return run(guest, ...args);
    } catch (error) {
      if (error instanceof FieldsTooLarge) return err({ tag: 'size-exceeded' });
      throw error;
    }
  };
}

/** Returns empty fields. */
const newFields = witRow('[constructor]fields', func({}, own(fieldsResource)), as2('[constructor]fields'));

/**
 * Returns fields with the given names and values.
 *
 * Errors: invalid-syntax a name that is no token, or a value with control characters; forbidden a field that belongs to
 * the connection (connection, host, keep-alive, proxy-*, transfer-encoding, upgrade …); size-exceeded more than
 * 128 KiB.
 */
const fieldsFromList = witRow(
  '[static]fields.from-list',
  func({ entries }, result(own(fieldsResource), headerErrorType)),
  as2('[static]fields.from-list'),
);

/** Returns the values of all fields called `name`, in order; an empty list without such a field. */
const fieldsGet = witRow(
  '[method]fields.get',
  func({ ...self, name: 'string' }, list(value)),
  as2('[method]fields.get'),
);

/** Returns whether a field is called `name`. */
const fieldsHas = witRow('[method]fields.has', func({ ...self, name: 'string' }, 'bool'), as2('[method]fields.has'));

/**
 * Sets the field `name` to the values `value`. Replaces all fields of that name.
 *
 * Errors: as fields.from-list; immutable fields of a request or response.
 */
const fieldsSet = witRow(
  '[method]fields.set',
  func({ ...self, name: 'string', value: list(value) }, done),
  as2('[method]fields.set'),
);

/**
 * Removes all fields called `name`.
 *
 * Errors: as fields.from-list; immutable fields of a request or response.
 */
const fieldsDelete = witRow(
  '[method]fields.delete',
  func({ ...self, name: 'string' }, done),
  as2('[method]fields.delete'),
);

/**
 * Removes all fields called `name` and returns their values, in order.
 *
 * Errors: as fields.from-list; immutable fields of a request or response.
 */
const fieldsGetAndDelete = witRow(
  '[method]fields.get-and-delete',
  func({ ...self, name: 'string' }, result(list(value), headerErrorType)),
  (guest: Process, fields: Fields, name: string) => {
    const wanted = name.toLowerCase();
    const values = fields.entries.filter(([key]) => key === wanted).map(([, octets]) => octets);
    // The row of 0.2 returns a result.
    const deleted = as2('[method]fields.delete')(guest, fields, name) as { readonly tag: string };
    return deleted.tag === 'ok' ? ok(values) : deleted;
  },
);

/**
 * Adds the field `name` with the value `value` after all others.
 *
 * Errors: as fields.from-list; immutable fields of a request or response.
 */
const fieldsAppend = witRow(
  '[method]fields.append',
  func({ ...self, name: 'string', value }, done),
  as2('[method]fields.append'),
);

/** Returns all names, in lower case, and values, in order. */
const fieldsCopyAll = witRow('[method]fields.copy-all', func(self, entries), as2('[method]fields.entries'));

/** Returns new fields with the same entries, which can be changed. */
const fieldsClone = witRow('[method]fields.clone', func(self, own(fieldsResource)), as2('[method]fields.clone'));

/** Drops fields. */
const dropFields = dropRow(fieldsResource);

export const fieldsRows = [
  newFields,
  fieldsFromList,
  fieldsGet,
  fieldsHas,
  fieldsSet,
  fieldsDelete,
  fieldsGetAndDelete,
  fieldsAppend,
  fieldsCopyAll,
  fieldsClone,
  dropFields,
];
