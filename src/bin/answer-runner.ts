/** Answers what runners ask control for: values of kv, queues, asynchronous calls. */
import type { CallStore } from '../control/calls/call-store.ts';
import type { Handlers } from '../control/handlers/handlers.ts';
import type { PublishGroups } from '../control/queues/publish-groups.ts';
import type { Quotas } from '../control/quota/quotas.ts';
import type { KvStore } from '../control/storage/kv-store.ts';
import { PlatformError } from '../protocol/errors.ts';
import { callLimits } from '../protocol/limits.ts';
import type { BusRequest, CallBusRequest } from '../protocol/messages.ts';

/**
 * Returns the answer to a request of a runner: bytes, or null where there is nothing to tell. Throws what the stations
 * throw.
 */
export async function answerRunner(
  request: BusRequest | CallBusRequest,
  stations: {
    readonly kv: KvStore;
    readonly groups: PublishGroups;
    readonly handlers: Handlers;
    readonly quota: Quotas;
    readonly calls: CallStore;
    readonly wakeCalls: () => void;
  },
): Promise<Uint8Array | null> {
  const { kv, groups, handlers, quota, calls } = stations;
  switch (request.op) {
    case 'kv.get':
      return kv.get(request);
    case 'kv.put':
      await quota.storing(request.handlerId, 'kv', request.value.length, () => kv.put(request, request.value));
      return null;
    case 'kv.replace': {
      const { handlerId, value, expected } = request;
      const isDone = await quota.storing(handlerId, 'kv', value.length, () => kv.put(request, value, { expected }));
      return Uint8Array.of(isDone ? 1 : 0);
    }
    case 'kv.delete':
      await kv.delete(request);
      return null;
    case 'kv.keys':
      return Buffer.from(JSON.stringify(await kv.keys(request)));
    case 'queue.publish':
      await publishOfGuest(request, { groups, handlers });
      return null;
    case 'call.accept':
      await quota
        .storing(request.handlerId, 'usage', request.body.length + callLimits.requestBytes, () => calls.accept(request))
        .catch(noRoom);
      stations.wakeCalls();
      return null;
    case 'call.show':
      return Buffer.from(JSON.stringify(await calls.show(request.handlerId, request.id)));
    case 'call.answer': {
      const { status, fields, body } = await calls.answer(request.handlerId, request.id);
      return Buffer.concat([Buffer.from(`${JSON.stringify({ status, fields })}\n`), body]);
    }
    default:
      // No runner of this version sends it: an unknown request is refused, so that it never looks done.
      throw new PlatformError(
        'bad_request',
        `a runner asks what control does not know: ${(request as { op: unknown }).op}`,
      );
  }
}

/** Throws the error that tells a caller: the request is valid, but the function's owner has no room left for it. */
function noRoom(error: unknown): never {
  if (!(error instanceof PlatformError) || error.code !== 'limit_exceeded') throw error;
  throw new PlatformError(
    'storage_full',
    'there is no room to keep this request; the owner of the function can make some',
    {
      cause: error,
    },
  );
}

/**
 * Publishes a guest's message to a queue of its handler's owner. Throws `not_found` when the handler no longer exists.
 */
async function publishOfGuest(
  { handlerId, queue, message }: Extract<BusRequest, { readonly op: 'queue.publish' }>,
  stations: { readonly groups: PublishGroups; readonly handlers: Handlers },
): Promise<void> {
  const handler = await stations.handlers.findById(handlerId);
  if (handler === null) throw new PlatformError('not_found', 'this handler has been deleted');
  const published = { body: message, contentType: null, key: null, group: null, dueMs: 0 };
  await stations.groups.publish(handler.ownerId, queue, published);
}
