/** wasi:http/types: requests, responses and their parts. The files beside this one hold one resource each. */
import { borrow, func, option } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { errorResource, type IoError } from '../io/error.ts';
import { errorCodeType } from './error-code.ts';
import { fieldsRows, httpTypesName } from './fields.ts';
import { incomingBodyRows } from './incoming-body.ts';
import { incomingRequestRows } from './incoming-request.ts';
import { incomingResponseRows } from './incoming-response.ts';
import { outgoingBodyRows } from './outgoing-body.ts';
import { outgoingRequestRows } from './outgoing-request.ts';
import { outgoingResponseRows } from './outgoing-response.ts';

/** Returns the error code of an error that the stream of a body reported; none for other errors. */
const httpErrorCode = witRow(
  'http-error-code',
  func({ err: borrow(errorResource) }, option(errorCodeType)),
  (_guest: Process, { codes }: IoError) => codes.http ?? null,
);

export const httpTypes = witInterface('wasi2', httpTypesName, [
  httpErrorCode,
  ...fieldsRows,
  ...incomingRequestRows,
  ...outgoingRequestRows,
  ...outgoingResponseRows,
  ...incomingResponseRows,
  ...incomingBodyRows,
  ...outgoingBodyRows,
]);
