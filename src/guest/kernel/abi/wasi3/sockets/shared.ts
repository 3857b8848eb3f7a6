/** Types and answers that TCP and UDP sockets of wasi:sockets/types share. */
import { result, type WitType } from '../../../../component/wit.ts';
import { err } from '../../../canonical/row.ts';
import { ipSocketAddressType } from '../../wasi2/sockets/network.ts';
import { errorCodeType } from './error-code.ts';

export const socketsTypesName = 'wasi:sockets/types@0.3';

export const local = { 'local-address': ipSocketAddressType } as const;
export const remote = { 'remote-address': ipSocketAddressType } as const;

/** Returns the type of a result with `type` (null: no value) or an error-code. */
export function orError(type: WitType | null): WitType {
  return result(type, errorCodeType);
}

export const done = orError(null);

/** Returns the error access-denied. */
export const denied = () => err({ tag: 'access-denied' });
