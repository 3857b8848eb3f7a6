/**
 * Types and limits of gradual releases, in which one version of a function gets a share of the calls beside the live
 * one (docs/releases.md).
 */

export const rolloutLimits = {
  /** Number of buckets over which callers are spread; one percent is a hundredth of them. */
  buckets: 10_000,
  /**
   * Failed calls of the new version, in percent, above which the release is aborted, unless the manifest sets a number.
   */
  errorPercent: 5,
  /** Calls that the new version must have had before its errors count: fewer prove little. */
  callsBeforeAbort: 20,
  /** Milliseconds between two checks of a new version's errors. */
  lookMs: 2_000,
  /** Lifetime of the cookie in seconds. A release that takes longer spreads its callers anew. */
  cookieSeconds: 30 * 24 * 60 * 60,
  /** Most characters of the header name in a manifest. */
  headerChars: 64,
} as const;

/** Cookie that keeps a caller with one version: `ROLLOUTID.BUCKET`. */
export const rolloutCookie = 'trisiel-release';

/** Facts about a gradual release that a runner needs. */
export interface Rollout {
  /** Id of the release, never used twice: a new release spreads its callers anew. */
  readonly id: string;
  /** Spec of the new version. */
  readonly specId: string;
  /** Share of the callers that get the new version, 1 to 99. */
  readonly percent: number;
  /**
   * Name of the header whose value identifies a caller, in lower case; null: callers are identified by the cookie only.
   */
  readonly header: string | null;
}
