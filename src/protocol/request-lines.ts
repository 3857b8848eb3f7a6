/** Settings of the lines that a runner writes for the calls of a function: `[logs]` in wasmcloud.toml. */

export interface RequestLineSettings {
  /** Whether calls get lines. */
  readonly enabled: boolean;
  /**
   * Words, in lower case: the value of a query parameter whose name contains one of them is replaced by `***`. The
   * other parts of a target are written as they came.
   */
  readonly mask: readonly string[];
}

export const requestLineLimits = {
  /** Words of `mask`, followed by the characters of one. */
  maskWords: 50,
  maskChars: 40,
  /** Lines of one handler in a second for calls that went well, and as many for calls that failed. Others are counted. */
  perSecond: 200,
  /** Characters of the target in a line, and of the query in a record; the rest is left out, and marked. */
  targetChars: 1_000,
} as const;

export const defaultRequestLines: RequestLineSettings = {
  enabled: true,
  mask: ['token', 'key', 'password', 'passwd', 'secret', 'auth', 'signature', 'credential', 'session', 'jwt', 'code'],
};

/**
 * Returns a request target with the values of query parameters masked whose names contain one of `words`, or that contain
 * such a parameter themselves: a URL to come back to has a query of its own. A name that cannot be decoded is masked too: what
 * it stands for is unknown.
 */
export function maskTarget(target: string, words: readonly string[]): string {
  const at = target.indexOf('?');
  if (at < 0 || words.length === 0) return target;
  const query = target
    .slice(at + 1)
    .split(/([&;])/)
    .map((part) => {
      const end = part.indexOf('=');
      if (end < 0) return part;
      const name = part.slice(0, end);
      return isSecret(name, words) || hasSecret(part.slice(end + 1), words) ? `${name}=***` : part;
    })
    .join('');
  return `${target.slice(0, at)}?${query}`;
}

/**
 * Returns the path of a call for its record, with the query of its request target: masked as in the call's line, and
 * shortened.
 */
export function recordedPath(path: string, target: string, { mask } = defaultRequestLines): string {
  const masked = maskTarget(target, mask);
  const at = masked.indexOf('?');
  return (path === '' ? '/' : path) + (at < 0 ? '' : shortened(masked.slice(at)));
}

/** Returns the first `requestLineLimits.targetChars` characters, with a mark where there are more. */
export function shortened(target: string): string {
  const { targetChars } = requestLineLimits;
  return target.length <= targetChars ? target : `${target.slice(0, targetChars)}…`;
}

/** Times that a value is decoded: a URL within a URL within a query. */
const decodingsMax = 3;

/**
 * Returns whether a value, decoded as often as it can be, has a query or a fragment with a secret parameter. Of a long one only
 * the beginning is looked at, since lines and records show no more.
 */
function hasSecret(value: string, words: readonly string[]): boolean {
  if (!value.includes('=') && !value.includes('%')) return false;
  let text = value.slice(0, requestLineLimits.targetChars);
  for (let round = 0; round <= decodingsMax; round += 1) {
    const names = [...text.matchAll(/[?&;#]([^?&;#=]*)=/g)];
    if (names.some(([, name = '']) => isSecret(name, words))) return true;
    if (!text.includes('%')) return false;
    // A part that cannot be decoded stays as it is, and the rest is decoded all the same.
    text = text.replaceAll(/(?:%[\da-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
  }
  return false;
}

function isSecret(name: string, words: readonly string[]): boolean {
  let decoded: string;
  try {
    decoded = decodeURIComponent(name.replaceAll('+', ' ')).toLowerCase();
  } catch {
    return true;
  }
  return words.some((word) => decoded.includes(word));
}
