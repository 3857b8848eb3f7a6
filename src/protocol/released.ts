/** What is released for a label or holds for a User, as it is stored for the controls and nodes of a cluster. */
import type { DeploymentSpec, OwnerState } from './messages.ts';
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
  | { readonly kind: 'redirect'; readonly label: string; readonly to: string }
  | { readonly kind: 'domain'; readonly domain: string; readonly to: string | null }
  | { readonly kind: 'owner'; readonly owner: OwnerState };

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

/** Returns `spec` without files that its bundle holds. */
export function withoutFiles(spec: DeploymentSpec): DeploymentSpec {
  return spec.bundle === undefined ? spec : { ...spec, files: [] };
}
