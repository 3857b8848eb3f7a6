/** Messages between controls and nodes: their kinds, and schemas that a receiver checks. */
import { z } from 'zod';
import { gasProfileLimits } from '../protocol/gas-profile.ts';
import type { HandlerId } from '../protocol/names.ts';
import { labelPattern, placementLimits } from '../protocol/placement.ts';
import { decodeMessage } from './codec.ts';

const whole = z.int().nonnegative();
const distribution = z.object({ buckets: z.array(whole).max(100).readonly(), sum: z.number().nonnegative() });

const nodeLabels = z
  .record(z.string().regex(labelPattern), z.string().regex(labelPattern))
  .refine((labels) => Object.keys(labels).length <= placementLimits.labels);

/** A node lives. Sent every busLimits.aliveMs, and at once when something in it has changed. */
export const aliveSchema = z.object({
  id: z.string().min(1).max(100),
  /** Grows with each start of the node. A node that hears a greater one under its own id has been replaced. */
  epoch: whole,
  bootId: z.string().max(100),
  version: z.string().max(50),
  /** Base URL of the functions on this node, without a slash at the end. */
  url: z.string().max(300),
  /** Host and port at which controls reach its functions. */
  host: z.string().max(255),
  port: z.int().min(0).max(65_535),
  /** Revision up to which the changes of Releases have taken effect in all its runners. */
  revision: whole,
  isServing: z.boolean(),
  /** Whether the node has not reached any control for a while, so that its versions may be old. */
  isStale: z.boolean(),
  sinceMs: whole,
  /** Labels of functions and previews that it serves. */
  labels: whole,
  /** Labels of the node itself, which manifests can ask for; absent: none, or a node of an earlier version. */
  nodeLabels: nodeLabels.optional(),
  /** Calls in the last second. */
  calls: whole,
  runners: z
    .array(
      z.object({
        runnerId: z.string().max(200),
        pid: whole,
        isServing: z.boolean(),
        stats: z
          .object({
            inFlight: whole,
            suspended: whole,
            rssBytes: whole,
            poolBytes: whole,
            deployments: whole,
            stallMs: z.number().nonnegative(),
            codeBytes: whole,
            counters: z.object({
              poolHits: whole,
              poolMisses: whole,
              strayRequests: whole,
              recordsDropped: whole,
              coldStarts: distribution,
              loopLag: distribution,
            }),
          })
          .nullable(),
      }),
    )
    .max(100),
});
export type Alive = z.infer<typeof aliveSchema>;

/** A control lives. */
export const controlAliveSchema = z.object({
  id: z.string().min(1).max(100),
  /** URL at which nodes reach it. */
  url: z.string().max(300),
  /** Newest revision of the Releases that it knows. */
  revision: whole,
});
export type ControlAlive = z.infer<typeof controlAliveSchema>;

/** Asks a node to compile a spec, which the control at `control` has. */
export const prepareSchema = z.object({ specId: z.string().max(200), control: z.string().max(300) });
export const preparedSchema = z.object({
  error: z.string().nullable(),
  /**
   * Whether it failed because the node could not reach the control; absent: it did not, or an earlier version answers.
   */
  isOutage: z.boolean().optional(),
});
export type Prepared = z.infer<typeof preparedSchema>;

/** Asks a node for a gas profile of a function's calls of the next `ms` milliseconds. */
export const profileSchema = z.object({
  handlerId: z.string().min(1).max(100),
  ms: z
    .number()
    .positive()
    .max(gasProfileLimits.seconds * 1_000),
});
export const profiledSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), profile: z.instanceof(Uint8Array) }),
  z.object({
    ok: z.literal(false),
    code: z.enum(['conflict', 'overloaded', 'unavailable']),
    message: z.string().max(1_000),
    retryAfterSeconds: z.number().optional(),
  }),
]);
export type Profiled = z.infer<typeof profiledSchema>;

/** Commands to one node or all. */
export const commandSchema = z.discriminatedUnion('command', [
  /** Frees a spec that is prepared and not served. */
  z.object({ command: z.literal('forget'), specId: z.string().max(200) }),
  /** Tells that Releases have changed. */
  z.object({ command: z.literal('releases'), revision: whole }),
  /** Tells that lines were stored: controls look for them. */
  z.object({ command: z.literal('logged') }),
  /** Asks every node to say at once that it lives. */
  z.object({ command: z.literal('ask') }),
  /** Lets a node finish its calls and end. */
  z.object({ command: z.literal('drain'), id: z.string() }),
  /** Ends an Invocation in the node that runs it. */
  z.object({ command: z.literal('cancel'), invocation: z.string().max(200) }),
  /** Tells a node that it has been removed. */
  z.object({ command: z.literal('remove'), id: z.string() }),
]);
export type Command = z.infer<typeof commandSchema>;

const count = z.number().nonnegative();
const blockSchema = z.object({
  handlerId: z.string().max(100),
  lines: whole,
  firstMs: z.number(),
  lastMs: z.number(),
  levels: whole,
  streams: whole,
  textChars: whole,
  words: z.instanceof(Uint8Array),
  data: z.instanceof(Uint8Array),
});
const sender = { origin: z.string().min(1).max(400), number: whole };

/**
 * What a node reports of its runners. The parts that place a record or count are checked; the stores check the figures
 * in them, which come from runners with hostile guests.
 */
export const reportSchema = z.object({
  items: z.array(
    z.discriminatedUnion('kind', [
      z.object({
        ...{ kind: z.literal('logs'), ...sender },
        blocks: z.array(blockSchema),
        dropped: z.record(z.string(), count),
      }),
      z.object({
        ...{ kind: z.literal('usage'), ...sender },
        records: z.array(z.looseObject({ id: z.string(), handlerId: z.string(), deployment: z.number() })),
        counts: z.array(z.looseObject({ handlerId: z.string(), deployment: z.number() })),
      }),
    ]),
  ),
});

export const kinds = {
  alive: 'alive',
  control: 'control',
  prepare: 'prepare',
  prepared: 'prepared',
  profile: 'profile',
  profiled: 'profiled',
  command: 'command',
  running: 'running',
  report: 'report',
  releases: 'releases',
  spec: 'spec',
  request: 'request',
  reply: 'reply',
  joined: 'joined',
} as const;

/** Returns the body of a message of `kind`, checked. Throws `bad_request` as decodeMessage does, and ZodError. */
export function readMessage<T extends z.ZodType>(data: Uint8Array, kind: string, schema: T): z.infer<T> {
  return schema.parse(decodeMessage(data, [kind]).body);
}

const bytes = z.instanceof(Uint8Array);
const handlerId = z
  .string()
  .min(1)
  .max(100)
  .transform((text) => text as HandlerId);
const kvPlace = { handlerId, preview: z.string().max(200).nullable(), bucket: z.string(), key: z.string() };
const callPlace = { handlerId, id: z.string().max(200) };
const callRequestSchema = z.object({
  ...{ method: z.string(), path: z.string(), label: z.string().nullable(), authority: z.string().nullable() },
  fields: z.array(z.tuple([z.string(), z.string()])),
  env: z.record(z.string(), z.string()),
  timeoutMs: z.number().positive(),
});

/** What a node asks for its runners. The stations check lengths and what exists. */
export const runnerRequestSchema = z.discriminatedUnion('op', [
  z.object({ op: z.literal('kv.get'), ...kvPlace }),
  z.object({ op: z.literal('kv.put'), ...kvPlace, value: bytes }),
  z.object({ op: z.literal('kv.replace'), ...kvPlace, value: bytes, expected: bytes.nullable() }),
  z.object({ op: z.literal('kv.delete'), ...kvPlace }),
  z.object({
    op: z.literal('kv.keys'),
    ...{ handlerId, preview: kvPlace.preview, bucket: z.string(), after: z.string() },
  }),
  z.object({ op: z.literal('queue.publish'), handlerId, queue: z.string(), message: bytes }),
  z.object({
    op: z.literal('call.accept'),
    ...{ ...callPlace, request: callRequestSchema, body: bytes, attemptsMax: z.int().positive() },
  }),
  z.object({ op: z.literal('call.show'), ...callPlace }),
  z.object({ op: z.literal('call.answer'), ...callPlace }),
]);

/** Answer of a control to a request of a runner. */
export const replySchema = z.union([
  z.object({ ok: z.literal(true), value: z.instanceof(Uint8Array).nullable() }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);

/** What a control tells a node that joins. */
export const joinedSchema = z.object({
  nodeId: z.string(),
  name: z.string(),
  epoch: whole,
  platformId: z.string(),
  /** Key by which control and this node's runners recognise each other. */
  key: z.string(),
  domain: z.string(),
  /** Public base URL of functions; null: made from the node's own address. */
  runUrl: z.string().nullable(),
  egressAllow: z.array(z.string()),
  /** Address of the bus for nodes. */
  nats: z.string(),
});
export type Joined = z.infer<typeof joinedSchema>;

/** Rows of the table of Releases, as nodes get them. `content` null: the label or User has no entry any more. */
export const releaseRowsSchema = z.object({
  rows: z.array(z.object({ key: z.string(), revision: whole, content: z.unknown() })),
  /** Whether more rows follow. */
  more: z.boolean(),
  /** Newest revision at the time of the answer. */
  revision: whole,
});
