/** What is released for a label or holds for a User, as it is stored for the controls and nodes of a cluster. */
import type { DeploymentSpec, OwnerState, UnservedLabel } from './messages.ts';
import type { ReleaseChange } from './ports.ts';
import type { Rollout } from './rollouts.ts';

/** Content of one entry. The files of a spec that has a bundle are left out: the bundle is read by its name. */
export type Released =
  | {
      readonly kind: 'release';
      readonly label: string;
      readonly spec: DeploymentSpec;
      readonly rollout: Rollout | null;
      /** Spec of the version with a share of the calls; null: there is none. */
      readonly rolloutSpec: DeploymentSpec | null;
    }
  | { readonly kind: 'announce'; readonly label: string }
  /** A control could not make the spec of the Release; a node has it in place of an entry of an unknown kind, too. */
  | ({ readonly kind: 'unserved' } & UnservedLabel)
  | { readonly kind: 'redirect'; readonly label: string; readonly to: string }
  | { readonly kind: 'domain'; readonly domain: string; readonly to: string | null }
  | { readonly kind: 'owner'; readonly owner: OwnerState };

const kinds: ReadonlySet<unknown> = new Set<Released['kind']>([
  'release',
  'announce',
  'unserved',
  'redirect',
  'domain',
  'owner',
]);

/** Reason for callers of a label whose version the runners or the node cannot load. */
export const notLoaded = 'its version cannot be loaded';

/** Returns whether an entry is of a kind that this program knows; a newer control may have stored another one. */
export function isKnownEntry(content: Released | null): boolean {
  return content === null || kinds.has(content.kind);
}

/** Returns the key under which the entry of a label is stored. */
export function labelKey(label: string): string {
  return `label/${label}`;
}

/** Returns the key under which the entry of a custom domain is stored. */
export function domainKey(domain: string): string {
  return `domain/${domain}`;
}

/** Returns the key under which the entry of a User is stored. */
export function ownerKey(ownerId: string): string {
  return `owner/${ownerId}`;
}

/** Returns the label of a key; null: it is the key of something else. */
export function labelOfKey(key: string): string | null {
  return key.startsWith('label/') ? key.slice('label/'.length) : null;
}

/**
 * Returns what holds in place of an entry of an unknown kind: its label is not served, rather than with an old version;
 * anything else has no entry.
 */
export function insteadOfUnknown(key: string): Released | null {
  const label = labelOfKey(key);
  return label === null ? null : { kind: 'unserved', label, reason: 'a newer version of the platform has released it' };
}

/** Returns the change that an entry makes; null: none, because the entry of a User or domain is missing. */
export function changeOf(key: string, revision: number, content: Released | null): ReleaseChange | null {
  const label = labelOfKey(key);
  if (content === null) return label === null ? null : { kind: 'remove', revision, label };
  if (content.kind !== 'release') return { ...content, revision };
  const { spec, rollout } = content;
  return { kind: 'release', revision, label: content.label, spec, rollout };
}

/** Returns what says that `content` holds no longer: an entry for a User or a domain, null for a label. */
export function nothingOf(content: Released | null): Released | null {
  if (content?.kind === 'domain') return { ...content, to: null };
  if (content?.kind !== 'owner') return null;
  return { kind: 'owner', owner: { ownerId: content.owner.ownerId, isSuspended: false, callsMax: null } };
}

/** Returns `spec` without files that its bundle holds. */
export function withoutFiles(spec: DeploymentSpec): DeploymentSpec {
  return spec.bundle === undefined ? spec : { ...spec, files: [] };
}
