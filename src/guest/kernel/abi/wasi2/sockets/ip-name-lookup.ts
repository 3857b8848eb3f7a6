/** wasi:sockets/ip-name-lookup: looks up the addresses of names. */
import { borrow, func, hostResource, option, own, result } from '../../../../component/wit.ts';
import { dropRow, type Err, err, type Ok, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import { parseHost } from '../../../net/address.ts';
import { networkFailure } from '../../../net/failure.ts';
import { checkPolicy } from '../../../open.ts';
import type { Process } from '../../../process.ts';
import { networkOf } from '../../../resources/network-of.ts';
import { isNow } from '../../../watch.ts';
import { HostObject } from '../host-object.ts';
import { Pollable, pollableResource } from '../io/poll.ts';
import { errorCodeType, failure, fromAddressText, ipAddressType, networkResource } from './network.ts';

const name = 'wasi:sockets/ip-name-lookup@0.2';
const resolveAddressStreamResource = hostResource(name, 'resolve-address-stream');

/** The addresses of a name, once the lookup has ended. */
class ResolveAddressStream extends HostObject {
  readonly what = 'resolve-address-stream';
  /** Addresses still to be returned; an Errno if there is none; null while the lookup runs. */
  found: string[] | number | null = null;
  readonly waiting: Promise<void> | null;

  constructor(lookup: Promise<readonly string[]> | readonly string[], failed: (error: unknown) => number) {
    super();
    if (!(lookup instanceof Promise)) {
      this.found = [...lookup];
      this.waiting = null;
      return;
    }
    this.waiting = lookup.then(
      (addresses) => {
        this.found = [...addresses];
      },
      (error: unknown) => {
        this.found = failed(error);
      },
    );
  }

  readiness(): Promise<void> | null {
    return this.found === null ? this.waiting : null;
  }
}

/**
 * Looks up the addresses of `name`, which may itself be an address. Leaves out addresses that guests may not reach. If
 * there is a policy, it must allow `dns:NAME`, or the Process ends.
 *
 * Errors: invalid-argument an invalid name; access-denied there is no network. resolve-next-address returns the errors
 * of the lookup.
 */
const resolveAddresses = witRow(
  'resolve-addresses',
  func({ network: borrow(networkResource), name: 'string' }, result(own(resolveAddressStreamResource), errorCodeType)),
  (guest: Process, _network: HostObject, text: string) => lookUp(guest, text),
);

/** Starts to look `text` up. Ends the Process if the policy forbids it. */
export function lookUp(guest: Process, text: string): Ok<ResolveAddressStream> | Err<string> {
  const bare = text.includes(':') && !text.startsWith('[') ? `[${text}]` : text;
  const host = parseHost(bare);
  if (host === null) return err('invalid-argument');
  if (host.kind === 'address') return ok(new ResolveAddressStream([host.address], () => Errno.unknown));
  checkPolicy(guest, `dns:${host.name}`);
  const network = networkOf(guest, 'tcp');
  if (network === null) return err('access-denied');
  const failed = (error: unknown): number => {
    const { message, errno } = networkFailure(error, `cannot resolve ${host.name}`);
    if (guest.end === null) guest.report('error', `dns: ${message}`);
    return errno;
  };
  return ok(new ResolveAddressStream(network.addressesOf(host.name, guest.signal), failed));
}

/**
 * Returns the next address; none after the last.
 *
 * Errors: would-block the lookup has not ended; name-unresolvable no such name; access-denied guests may reach none of
 * its addresses; timeout.
 */
const resolveAddressStreamResolveNextAddress = witRow(
  '[method]resolve-address-stream.resolve-next-address',
  func({ self: borrow(resolveAddressStreamResource) }, result(option(ipAddressType), errorCodeType)),
  (_guest: Process, self: ResolveAddressStream) => {
    if (!isNow(self.readiness())) return err('would-block');
    if (typeof self.found === 'number') return failure(self.found);
    const next = self.found?.shift();
    return ok(next === undefined ? null : fromAddressText(next));
  },
);

/** Returns a pollable that is ready when the lookup has ended. It is a child of the stream. */
const resolveAddressStreamSubscribe = witRow(
  '[method]resolve-address-stream.subscribe',
  func({ self: borrow(resolveAddressStreamResource) }, own(pollableResource)),
  (_guest: Process, self: ResolveAddressStream) => new Pollable(self, () => self.readiness()),
);

/** Drops a resolve-address-stream. */
const dropResolveAddressStream = dropRow(resolveAddressStreamResource);

export const ipNameLookup = witInterface('wasi2', name, [
  resolveAddresses,
  resolveAddressStreamResolveNextAddress,
  resolveAddressStreamSubscribe,
  dropResolveAddressStream,
]);
