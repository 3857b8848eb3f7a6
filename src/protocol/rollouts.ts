/** Gradual releases: one version of a function gets a share of the calls beside the live one (docs/releases.md). */

export const rolloutLimits = {
  /** Callers are spread over so many buckets; one percent is a hundredth of them. */
  buckets: 10_000,
  /** Failed calls of the new version, in percent, above which the release is aborted, where the manifest says nothing. */
  errorPercent: 5,
  /** Calls that the new version must have had before its errors count: fewer say little. */
  callsBeforeAbort: 20,
  /** Milliseconds between two looks at the errors of a new version. */
  lookMs: 2_000,
  /** Lifetime of the cookie, seconds. A release that takes longer spreads its callers anew. */
  cookieSeconds: 30 * 24 * 60 * 60,
  /** Characters of the header that a manifest names. */
  headerChars: 64,
} as const;

/** Cookie that keeps a caller with one version: `ROLLOUTID.BUCKET`. */
export const rolloutCookie = 'trisiel-release';

/** What a runner must know of a gradual release. */
export interface Rollout {
  /** Never given twice: a new release spreads its callers anew. */
  readonly id: string;
  /** Spec of the new version. */
  readonly specId: string;
  /** Share of the callers that get the new version, 1 to 99. */
  readonly percent: number;
  /** Header by whose value callers are told apart, in lower case; null: by a cookie alone. */
  readonly header: string | null;
}
