/** Asks nodes for gas profiles of a function, and adds them up. */
import { randomUUID } from 'node:crypto';
import type { Bus } from '../../bus/bus.ts';
import { busLimits, subjects } from '../../bus/limits.ts';
import { kinds, profiledSchema, readMessage } from '../../bus/messages.ts';
import { unpackProfile } from '../../bus/profiles.ts';
import { PlatformError } from '../../protocol/errors.ts';
import { type GasProfile, sumOfProfiles } from '../../protocol/gas-profile.ts';
import type { HandlerId } from '../../protocol/names.ts';
import type { Leases } from '../../protocol/ports.ts';

/** Milliseconds after its time in which a node must have sent its profile: its runners have five seconds of them. */
const lateMs = 5_000 + busLimits.answerMs;

export interface NodeProfilesOptions {
  readonly bus: Pick<Bus, 'request'>;
  /** Leases of all controls: two that ask the nodes at once would each be refused by some, and both fail. */
  readonly leases: Pick<Leases, 'take' | 'release'>;
  /** Resolves when a node has ended, or is away, and no answer comes any more. */
  readonly gone: (nodeId: string, isOver: { readonly now: boolean }) => Promise<unknown>;
}

/**
 * Returns the profile of a function's calls of the next `ms` milliseconds on the nodes `nodeIds`. A node that ends
 * meanwhile, or knows no profiles yet, has an empty one. Throws `conflict` if any control has the function profiled,
 * `unavailable` if no node answers, and what a node answers: `conflict`, `overloaded`.
 */
export async function profileOfNodes(
  nodeIds: readonly string[],
  asked: { readonly handlerId: HandlerId; readonly ms: number },
  options: NodeProfilesOptions,
): Promise<GasProfile> {
  const { leases } = options;
  const lease = await leases.take({
    name: `profile ${asked.handlerId}`,
    holder: randomUUID(),
    ttlMs: asked.ms + lateMs,
  });
  if (lease === null) throw new PlatformError('conflict', 'this function is being profiled already');
  try {
    return await sumOfNodes(nodeIds, asked, options);
  } finally {
    // A lease that cannot be given back ends by itself.
    await leases.release(lease).catch(() => {});
  }
}

async function sumOfNodes(
  nodeIds: readonly string[],
  { handlerId, ms }: { readonly handlerId: HandlerId; readonly ms: number },
  options: NodeProfilesOptions,
): Promise<GasProfile> {
  const profiles = await Promise.all(nodeIds.map((id) => askNode(id, { handlerId, ms }, options)));
  const answered = profiles.filter((profile) => profile !== null);
  if (answered.length === 0)
    throw new PlatformError('unavailable', nodeIds.length === 0 ? 'no node serves' : 'no node has taken a profile', {
      retryAfterSeconds: 5,
    });
  return sumOfProfiles(answered);
}

async function askNode(
  id: string,
  asked: { readonly handlerId: HandlerId; readonly ms: number },
  { bus, gone }: NodeProfilesOptions,
): Promise<GasProfile | null> {
  const isOver = { now: false };
  const answering = bus.request(subjects.node(id), kinds.profile, asked, asked.ms + lateMs).catch(() => null);
  const data = await Promise.race([answering, gone(id, isOver).then(() => null)]);
  isOver.now = true;
  if (data === null) return null;
  const answer = readMessage(data, kinds.profiled, profiledSchema);
  if (answer.ok) return unpackProfile(answer.profile);
  const { code, message, retryAfterSeconds } = answer;
  throw new PlatformError(code, message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
}
