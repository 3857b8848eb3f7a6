/** wasi:io/error: describes a failed operation of a stream. */
import { borrow, func, hostResource } from '../../../../component/wit.ts';
import { dropRow, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { HostObject } from '../host-object.ts';

const name = 'wasi:io/error@0.2';
export const errorResource = hostResource(name, 'error');

/** Error codes of other interfaces for the same failure, for the functions that translate an error. */
export interface ErrorCodes {
  readonly filesystem?: string;
  readonly sockets?: string;
  /** A case of wasi:http error-code. */
  readonly http?: { readonly tag: string; readonly value?: unknown };
}

/** A failed operation of a stream. */
export class IoError extends HostObject {
  readonly what = 'error';
  readonly text: string;
  readonly codes: ErrorCodes;

  constructor(text: string, codes: ErrorCodes = {}) {
    super();
    this.text = text;
    this.codes = codes;
  }
}

/** Returns a sentence about the failure, for people. */
const errorToDebugString = witRow(
  '[method]error.to-debug-string',
  func({ self: borrow(errorResource) }, 'string'),
  (_guest: Process, self: IoError) => self.text,
);

/** Drops an error. */
const dropError = dropRow(errorResource);

export const ioError = witInterface('wasi2', name, [errorToDebugString, dropError]);
