import { describe, expect, it } from 'vitest';
import { describeEnd } from '../../../src/control/fleet/end.ts';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';
import { type Glance, Watchdog } from '../../../src/control/fleet/watchdog.ts';

/** Looks until the runner counts as stuck; milliseconds of silence by then. `glance` gets the look's number, from 0. */
function silenceUntilStuck(glance: (look: number) => Glance): number {
  const watchdog = new Watchdog();
  for (let look = 0; ; look++) {
    const isStuck = watchdog.look(glance(look));
    if (isStuck) return watchdog.silentMs;
    expect(watchdog.silentMs).toBe((look + 1) * fleetLimits.pingMs);
  }
}

const { pingMs, stallMs, starvedMs } = fleetLimits;

describe('a runner that does not answer', () => {
  it('is stuck soon when it has the processor, when it sleeps, and where nothing is known of it', () => {
    const computes = (look: number) => ({ progress: 7, use: { cpuMs: look * pingMs, wantsToRun: true } });
    const sleeps = () => ({ progress: 7, use: { cpuMs: 0, wantsToRun: false } });
    const unknown = () => ({ progress: null, use: null });
    expect([computes, sleeps, unknown].map(silenceUntilStuck)).toEqual([stallMs, stallMs, stallMs]);
  });

  it('is given longer when it wants the processor and gets less than half of it, but not for ever', () => {
    const starved = (look: number) => ({ progress: 7, use: { cpuMs: (look * pingMs) / 3, wantsToRun: true } });
    expect(silenceUntilStuck(starved)).toBe(starvedMs);
    const halfServed = (look: number) => ({ progress: 7, use: { cpuMs: (look * pingMs) / 2, wantsToRun: true } });
    expect(silenceUntilStuck(halfServed)).toBe(stallMs);
  });

  it('is given longer while it starts, but not for ever', () => {
    const loads = (look: number) => ({ progress: null, use: { cpuMs: look * pingMs, wantsToRun: false } });
    expect(silenceUntilStuck((look) => ({ ...loads(look), isStarting: true }))).toBe(starvedMs);
    const looks = stallMs / pingMs + 3;
    expect(silenceUntilStuck((look) => ({ ...loads(look), isStarting: look < looks }))).toBe(looks * pingMs);
  });

  it('is given longer while guests get their turns, until they do not any more', () => {
    const use = (look: number) => ({ cpuMs: look * pingMs, wantsToRun: true });
    expect(silenceUntilStuck((look) => ({ progress: look, use: use(look) }))).toBe(starvedMs);
    const turns = stallMs / pingMs + 3;
    expect(silenceUntilStuck((look) => ({ progress: Math.min(look, turns), use: use(look) }))).toBe(
      (turns + 1) * pingMs,
    );
  });

  it('is ended with a reason that says for how long it was silent', () => {
    const end = { status: null, signal: 'SIGKILL' as const, busyWith: null, message: null };
    expect(describeEnd({ ...end, silentMs: starvedMs })).toBe(`its event loop stood still for ${starvedMs} ms`);
    expect(describeEnd({ ...end, silentMs: null })).toBe('signal SIGKILL');
  });

  it('begins anew with each answer', () => {
    const watchdog = new Watchdog();
    const glance = { progress: 7, use: { cpuMs: 0, wantsToRun: false } };
    for (let look = 0; look < 100; look++) {
      expect(watchdog.look(glance)).toBe(false);
      watchdog.answered();
    }
  });
});
