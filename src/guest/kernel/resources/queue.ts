/**
 * Opens `queue://NAME`: the written bytes become one message at flush, which is durable when flush returns. Close
 * publishes the rest.
 */
import { messageOf, PlatformError } from '../../../protocol/errors.ts';
import { queueLimits } from '../../../protocol/limits.ts';
import { storeNamePattern } from '../../../protocol/names.ts';
import { Errno } from '../errno.ts';
import type { Process, QueueService, Scheme } from '../process.ts';
import type { MaybePromise, Resource } from '../resource.ts';
import { mayCommit, PendingValue } from './pending-value.ts';

const urlPattern = /^queue:\/\/([^/]*)\/?$/i;

export const queueScheme: Scheme = {
  names: ['queue'],
  open: (url, guest) => {
    const name = urlPattern.exec(url)?.[1];
    if (name === undefined || !storeNamePattern.test(name)) return Errno.invalid;
    const { queues } = guest.options;
    if (queues === null) {
      guest.report('error', `${url}: there are no queues here`);
      return Errno.denied;
    }
    return queueResource(guest, queues, name);
  },
};

function queueResource(guest: Process, queues: QueueService, name: string): Resource {
  const pending = new PendingValue(guest, queueLimits.messageBytes);
  const flush = (): MaybePromise<number> => {
    if (!pending.isWritten) return 0;
    const message = pending.isBroken ? null : pending.bytes();
    pending.clear();
    // A message that was too large is an error once; the next message starts afresh.
    if (message === null) return Errno.tooBig;
    return queues.publish(name, message).then(
      () => 0,
      (error: unknown) => {
        const why = messageOf(error);
        guest.report('error', `publishing to queue://${name} failed: ${why}`);
        return error instanceof PlatformError && error.code === 'limit_exceeded' ? Errno.overQuota : Errno.unknown;
      },
    );
  };
  return {
    scheme: 'queue',
    read: () => Errno.notSupported,
    write: (bytes) => pending.write(bytes),
    flush,
    close: () => {
      if (mayCommit(guest)) return flush();
      pending.clear();
      return 0;
    },
  };
}
