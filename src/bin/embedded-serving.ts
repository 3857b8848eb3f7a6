/** Lets functions be served by runners on this machine, which are children of this process. */
import { inUrl } from '../bus/own-address.ts';
import { LocalReleaseFeed } from '../control/deploy/release-feed.ts';
import { RunnerFleet } from '../control/fleet/fleet.ts';
import type { FleetOptions } from '../control/fleet/options.ts';
import type { ReleaseState } from '../protocol/ports.ts';
import type { Serving } from './serving.ts';

export function embeddedServing(
  options: Omit<FleetOptions, 'releases'> & {
    readonly read: () => Promise<ReleaseState>;
    /** Host at which this machine reaches the functions' port. */
    readonly reachableHost: string;
  },
): Serving {
  const releases = new LocalReleaseFeed({ read: options.read });
  const fleet = new RunnerFleet({ ...options, releases });
  return {
    releases,
    nodes: fleet,
    register: null,
    runUrl: () => fleet.runUrl,
    readyUrl: () => `http://${inUrl(options.reachableHost)}:${fleet.port}`,
    target: () => ({ host: options.reachableHost, port: fleet.port, key: options.probeKey }),
    handles: (request) => fleet.takeover.handles(request),
    handle: (request, response) => void fleet.takeover.handle(request, response),
    start: () => fleet.start(),
    end: () => void fleet.stop(),
    // When an earlier call has begun to end the fleet, this waits for it: the first call decides.
    leave: (lifetimeMs) => fleet.leave(lifetimeMs),
    places: () => '',
    prune: async () => {},
  };
}
