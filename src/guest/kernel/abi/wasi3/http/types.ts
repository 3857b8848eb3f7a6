/** wasi:http/types: requests, responses and their parts. The files beside this one hold one resource each. */
import { witInterface } from '../../../canonical/row.ts';
import { fieldsRows, httpTypesName } from './fields.ts';
import { requestRows } from './request.ts';
import { requestOptionsRows } from './request-options.ts';
import { responseRows } from './response.ts';

export const httpTypes = witInterface('wasi3', httpTypesName, [
  ...fieldsRows,
  ...requestRows,
  ...requestOptionsRows,
  ...responseRows,
]);
