/** Operations on drains: of a handler, and of the whole server (docs/drains.md). */
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import type { DrainView } from '../../../protocol/views.ts';
import type { DrainStore } from '../../drains/drain-store.ts';
import { checkSettings, drainKinds, drainSettingsSchema } from '../../drains/settings.ts';
import { forHandler, forUsers, type Operation } from '../operation.ts';

const tag = 'drains';
const ms = z.number().describe('Unix milliseconds');

export const drainSchema: z.ZodType<DrainView> = z
  .object({
    name: z.string(),
    kind: z.enum(drainKinds),
    target: z.string().describe('where lines go, without credentials, query and the path of a webhook'),
    createdMs: ms,
    sent: z.number().describe('lines that the receiver has taken'),
    lost: z.number().describe('lines that it never gets: retention removed them first, or it refused them'),
    sentMs: ms.nullable(),
    failures: z.number().describe('failed attempts since the last success'),
    error: z.string().nullable().describe('why the last attempt failed'),
    failedMs: ms.nullable(),
    retryMs: ms.nullable().describe('time before which there is no further attempt'),
  })
  .meta({ id: 'Drain' });

const listed = z.object({ drains: z.array(drainSchema) });

export function drainOperations(deps: {
  readonly drains: DrainStore;
  /** Returns whether drains may reach host:port although it is private. */
  readonly isDrainAllowed: (hostPort: string) => boolean;
}): readonly Operation[] {
  const { drains, isDrainAllowed } = deps;
  const put = async (
    handler: { readonly id: string; readonly ownerId: string } | null,
    name: string,
    settings: z.infer<typeof drainSettingsSchema>,
  ): Promise<DrainView> => {
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name))
      throw new PlatformError('bad_request', 'a name of a drain has up to 63 of a-z, 0-9 and -');
    checkSettings(settings, isDrainAllowed);
    await drains.put(handler, name, settings);
    return drains.show(handler?.id ?? null, name);
  };
  return [
    forHandler({
      id: 'listDrains',
      method: 'GET',
      path: '/handlers/{name}/drains',
      tag,
      summary: 'Drains of a handler, by name, and how they fare.',
      answer: listed,
      run: async ({ handler }) => ({ drains: await drains.list(handler.id) }),
    }),
    forHandler({
      id: 'putDrain',
      method: 'PUT',
      path: '/handlers/{name}/drains/{drain}',
      tag,
      summary: 'Make a drain, which hands on lines that are written from now on, or give it other settings.',
      body: drainSettingsSchema,
      answer: drainSchema,
      errors: ['limit_exceeded'],
      run: ({ handler, params, body }) => put(handler, params.drain, body),
    }),
    forHandler({
      id: 'deleteDrain',
      method: 'DELETE',
      path: '/handlers/{name}/drains/{drain}',
      tag,
      summary: 'Remove a drain.',
      errors: ['not_found'],
      run: ({ handler, params }) => drains.remove(handler.id, params.drain),
    }),
    forUsers({
      id: 'listServerDrains',
      method: 'GET',
      path: '/drains',
      tag,
      summary: 'Drains of the whole server, by name, and how they fare.',
      answer: listed,
      run: async () => ({ drains: await drains.list(null) }),
    }),
    forUsers({
      id: 'putServerDrain',
      method: 'PUT',
      path: '/drains/{drain}',
      tag,
      summary: 'Make a drain for the lines of all handlers, or give it other settings.',
      body: drainSettingsSchema,
      answer: drainSchema,
      errors: ['limit_exceeded'],
      run: ({ params, body }) => put(null, params.drain, body),
    }),
    forUsers({
      id: 'deleteServerDrain',
      method: 'DELETE',
      path: '/drains/{drain}',
      tag,
      summary: 'Remove a drain of the server.',
      errors: ['not_found'],
      run: ({ params }) => drains.remove(null, params.drain),
    }),
  ];
}
