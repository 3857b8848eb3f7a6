/** wasi:sockets/ip-name-lookup: looks up the addresses of names. */
import { asyncFunc, list, option, result, variant } from '../../../../component/wit.ts';
import { err, ok, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { lookUp } from '../../wasi2/sockets/ip-name-lookup.ts';
import { fromAddressText, ipAddressType, toErrorCode } from '../../wasi2/sockets/network.ts';

const codes = [
  'access-denied',
  'invalid-argument',
  'name-unresolvable',
  'temporary-resolver-failure',
  'permanent-resolver-failure',
] as const;

const errorCodeType = variant({ ...Object.fromEntries(codes.map((code) => [code, null])), other: option('string') });

function toError(code: string) {
  return (codes as readonly string[]).includes(code) ? { tag: code } : { tag: 'other', value: code };
}

/**
 * Returns the addresses of `name`, which may itself be an address. Leaves out addresses that guests may not reach. If
 * there is a policy, it must allow `dns:NAME`, or the Process ends.
 *
 * Errors: invalid-argument an invalid name; access-denied there is no network, or guests may reach none of the
 * addresses; name-unresolvable no such name; other timeout.
 */
const resolveAddresses = witRow(
  'resolve-addresses',
  asyncFunc({ name: 'string' }, result(list(ipAddressType), errorCodeType)),
  (guest: Process, text: string) => {
    const lookup = lookUp(guest, text);
    if (lookup.tag === 'err') return err(toError(lookup.value));
    const { value: stream } = lookup;
    const addresses = () =>
      typeof stream.found === 'number'
        ? err(toError(toErrorCode(stream.found)))
        : ok((stream.found ?? []).map(fromAddressText));
    const waiting = stream.readiness();
    return waiting === null ? addresses() : waiting.then(addresses);
  },
  { waits: true },
);

export const ipNameLookup = witInterface('wasi3', 'wasi:sockets/ip-name-lookup@0.3', [resolveAddresses]);
