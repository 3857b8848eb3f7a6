/** What a runner asks control for on behalf of functions: kv values, queues, asynchronous calls, code. */
import type { Egress } from '../guest/kernel/net/egress.ts';
import { createNetwork } from '../guest/kernel/net/network.ts';
import { localSchemes } from '../guest/kernel/resources/all.ts';
import { networkSchemes } from '../guest/kernel/resources/network.ts';
import { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import { PlatformError } from '../protocol/errors.ts';
import type { RunnerRequest } from '../protocol/messages.ts';
import { programVersion } from '../protocol/program-version.ts';
import { ControlAway, type ControlLink } from './control-link.ts';
import type { ControlTurns } from './control-turns.ts';
import type { HandlerServices, ServiceOwner } from './handler-states.ts';

/** Returns the services of a handler or one of its previews, which control keeps; `close` ends its connections. */
export function handlerServices(
  { link, turns, egress }: { readonly link: ControlLink; readonly turns: ControlTurns; readonly egress: Egress },
  owner: ServiceOwner,
): HandlerServices {
  const network = createNetwork({ egress, version: programVersion });
  const { handlerId } = owner;
  const ask = (request: RunnerRequest) => turns.run(owner.ownerId, () => link.request(request));
  const of = { handlerId, preview: owner.preview?.id ?? null };
  return {
    schemes: new SchemeRegistry([...localSchemes, ...networkSchemes(network)]),
    kv: {
      get: (bucket, key) => ask({ op: 'kv.get', ...of, bucket, key }),
      put: async (bucket, key, value) => {
        await ask({ op: 'kv.put', ...of, bucket, key, value });
      },
      replace: async (bucket, key, value, expected) =>
        (await ask({ op: 'kv.replace', ...of, bucket, key, value, expected }))?.[0] === 1,
      delete: async (bucket, key) => {
        await ask({ op: 'kv.delete', ...of, bucket, key });
      },
      keys: async (bucket, after) => {
        const answer = await ask({ op: 'kv.keys', ...of, bucket, after });
        return answer === null ? [] : JSON.parse(Buffer.from(answer).toString());
      },
    },
    queues: {
      publish: async (queue, message) => {
        await ask({ op: 'queue.publish', handlerId, queue, message });
      },
    },
    calls: {
      accept: async ({ id, request, body, attemptsMax }) => {
        await ask({ op: 'call.accept', handlerId, id, request, body, attemptsMax });
      },
      show: (id) => ask({ op: 'call.show', handlerId, id }).then(bytesOf),
      answer: (id) => ask({ op: 'call.answer', handlerId, id }).then(bytesOf),
    },
    close: () => network.close(),
  };
}

/** Returns the bytes of an Artifact. Throws PlatformError: `not_found`; `unavailable` while control is away. */
export async function artifactOf(link: ControlLink, name: string): Promise<Uint8Array> {
  const bytes = await link.request({ op: 'artifact.get', name }).catch((error: unknown) => {
    if (error instanceof PlatformError && error.code === 'not_found') throw error;
    const why = error instanceof ControlAway ? 'control is away' : 'it cannot be read now';
    throw new PlatformError('unavailable', `The code of this function is not loaded, and ${why}.`, {
      retryAfterSeconds: 1,
      cause: error,
    });
  });
  if (bytes === null) throw new PlatformError('not_found', `control has no Artifact ${name}`);
  return bytes;
}

function bytesOf(reply: Uint8Array | null): Uint8Array {
  if (reply === null) throw new Error('control answers with bytes');
  return reply;
}
