/** Answers the questions of controls for gas profiles of functions on this node. */
import type { BusMessage } from '../bus/bus.ts';
import { kinds, type Profiled, profileSchema, readMessage } from '../bus/messages.ts';
import { packProfile } from '../bus/profiles.ts';
import { PlatformError } from '../protocol/errors.ts';
import type { GasProfile } from '../protocol/gas-profile.ts';
import { type HandlerId, handlerIdOf } from '../protocol/names.ts';

/** Bytes of a message besides the profile. */
const headBytes = 1_024;

/**
 * Answers a control's request for a profile of a function. `profile`: profiles a function for `ms` milliseconds;
 * `messageBytes`: greatest number of bytes of one message.
 */
export async function answerProfile(
  message: BusMessage,
  {
    profile,
    messageBytes,
  }: {
    readonly profile: (handlerId: HandlerId, ms: number) => Promise<GasProfile>;
    readonly messageBytes: () => number;
  },
): Promise<void> {
  const { handlerId, ms } = readMessage(message.data, kinds.profile, profileSchema);
  let answer: Profiled;
  try {
    const taken = await profile(handlerIdOf(handlerId), ms);
    answer = { ok: true, profile: await packProfile(taken, messageBytes() - headBytes) };
  } catch (error) {
    const isKnown = error instanceof PlatformError && (error.code === 'conflict' || error.code === 'overloaded');
    answer = isKnown
      ? {
          ...{ ok: false, code: error.code, message: error.message },
          ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
        }
      : { ok: false, code: 'unavailable', message: 'a node could not take the profile' };
  }
  message.answer(kinds.profiled, answer);
}
