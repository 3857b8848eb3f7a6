/** Names and limits of previews: Releases of branches that are not the deploy branch (docs/previews.md). */

export const previewLimits = {
  /** Previews of one handler. Each one holds a version, compiled code and a kv namespace. */
  previews: 100,
  /** Branches of one push that become previews. Vetting one takes up to seconds, and the push waits. */
  perPush: 10,
  /** Characters of a slug: 63 of a DNS label (RFC 1035 section 2.3.4) less 40 of a handler's name and 2 of `--`. */
  slugChars: 21,
  /** Days without a call or push after which a preview ends, when the manifest sets no number. */
  days: 14,
  /** Greatest number of days that a manifest may ask for. */
  daysMax: 90,
  /** Superseded versions of one preview that are kept for rollbacks. */
  keptVersions: 5,
  /** Variables of all branches of one handler together. */
  variables: 1_000,
  /** Bytes of a branch's name that may get a preview. git limits a name to 255, the length of a file name. */
  branchBytes: 255,
} as const;

/**
 * Returns the slug of a branch's name: 1 to 21 of a-z, 0-9 and single hyphens inside. Letters lose accents and
 * capitals; any other character becomes a hyphen. Different branches may get the same slug (see freeSlug).
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

/** Returns the label of a preview. Handler names contain no `--`, so a label splits in only one way. */
export function previewLabel(slug: string, handler: string): string {
  return `${slug}--${handler}`;
}

/** Returns the name of the handler of a label: of NAME and of SLUG--NAME. */
export function handlerOfLabel(label: string): string {
  const end = label.lastIndexOf('--');
  return end < 0 ? label : label.slice(end + 2);
}

/** Returns a label with `name` as the name of its handler, which was renamed. */
export function relabelled(label: string, name: string): string {
  const end = label.lastIndexOf('--');
  return end < 0 ? name : previewLabel(label.slice(0, end), name);
}

/** Returns `text` without hyphens at its ends. */
function trimmed(text: string): string {
  return text.replace(/^-+|-+$/g, '');
}
