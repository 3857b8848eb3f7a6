/** Names and limits of previews: Releases of branches that are not the deploy branch (docs/previews.md). */

export const previewLimits = {
  /** Previews of one handler: each holds a version, compiled code and a kv namespace. */
  previews: 100,
  /** Branches of one push that become previews; checking one takes up to seconds, and the push waits. */
  perPush: 10,
  /** Characters of the branch in a label: 63 of a DNS label (RFC 1035 section 2.3.4) less 40 of a handler and `--`. */
  slugChars: 21,
  /** Days without a call or a push after which a preview ends, where the manifest says nothing. */
  days: 14,
  /** The most days that a manifest may ask for. */
  daysMax: 90,
  /** Superseded versions of one preview that are kept as targets of a rollback. */
  keptVersions: 5,
  /** Variables of all branches of one handler together. */
  variables: 1_000,
  /** Bytes of a branch's name that can have a preview: git's own limit is that of a file name, 255. */
  branchBytes: 255,
} as const;

/**
 * Makes of a branch's name what stands for it in a label: 1 to 21 of a-z, 0-9 and single hyphens inside. Letters lose
 * their accents and capitals; anything else becomes a hyphen. Different branches may give the same result.
 */
export function slugOfBranch(branch: string): string {
  const plain = branch
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  const slug = trimmed(trimmed(plain).slice(0, previewLimits.slugChars));
  if (slug === '') return 'branch';
  // `xn--NAME` would be an internationalised name (RFC 5890 section 2.3.2.1), which clients refuse to resolve.
  return slug === 'xn' ? 'xn-branch' : slug;
}

/** Returns the first of `slug`, `slug-2`, `slug-3` … that is not taken, cut so that it has 21 characters at most. */
export function freeSlug(branch: string, taken: ReadonlySet<string>): string {
  const slug = slugOfBranch(branch);
  if (!taken.has(slug)) return slug;
  for (let n = 2; ; n += 1) {
    const end = `-${n}`;
    const numbered = trimmed(slug.slice(0, previewLimits.slugChars - end.length)) + end;
    if (!taken.has(numbered)) return numbered;
  }
}

/** Returns the label of a preview: no handler's name contains `--`, so the two parts cannot be mistaken. */
export function previewLabel(slug: string, handler: string): string {
  return `${slug}--${handler}`;
}

/** Returns `text` without hyphens at its ends. */
function trimmed(text: string): string {
  return text.replace(/^-+|-+$/g, '');
}
