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
  /**
   * Lines of one handler in a second for calls that went well, and as many for calls that failed. Others are counted.
   */
  perSecond: 200,
  /** Characters of the target in a line, and of the query in a record; the rest is left out, and marked. */
  targetChars: 1_000,
} as const;

export const defaultRequestLines: RequestLineSettings = {
  enabled: true,
  mask: ['token', 'key', 'password', 'passwd', 'secret', 'auth', 'signature', 'credential', 'session', 'jwt', 'code'],
};

/**
 * Returns a request target with the values of query parameters masked whose names contain one of `words`, or that
 * contain such a name themselves: a URL to come back to has a query of its own, a state may be JSON in base64. A name
 * that cannot be decoded is masked too: what it stands for is unknown.
 */
export function maskTarget(target: string, words: readonly string[]): string {
  const at = target.indexOf('?');
  if (at < 0 || words.length === 0) return target;
  const query = target
    .slice(at + 1)
    .split(/([&;])/)
    .map((part) => {
      const end = part.indexOf('=');
      if (end < 0) return hasSecret(part, words) ? '***' : part;
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

/** Times that a value is decoded: a URL within a URL within a query, or JSON in base64 within one. */
const decodingsMax = 3;

/**
 * Returns whether a value, decoded as often as it can be, has a secret parameter, as queries, fragments and forms have
 * them, or a key of JSON. Of a long one only the beginning is looked at, since lines and records show no more.
 */
function hasSecret(value: string, words: readonly string[]): boolean {
  let text = value.slice(0, requestLineLimits.targetChars);
  for (let round = 0; round <= decodingsMax; round += 1) {
    if (namesIn(text).some((name) => isSecret(name, words))) return true;
    const before = text;
    text = decodedOnce(text);
    if (text === before) return false;
  }
  return false;
}

/** Returns the names of parameters with a value, and of keys of JSON. */
function namesIn(text: string): string[] {
  const names: string[] = [];
  if (text.includes('='))
    for (const [, name = ''] of text.matchAll(/(?:^|[?&;#\s])([^?&;#=\s]*)=+[^=&;#\s]/g)) names.push(name);
  if (text.includes('"')) for (const [, name = ''] of text.matchAll(/"([^"]*)"\s*:/g)) names.push(name);
  return names;
}

/** Returns a text without its percent-encoding, or a text in base64 as what it stands for; any other text as it is. */
function decodedOnce(text: string): string {
  // A part that cannot be decoded stays as it is, and the rest is decoded all the same.
  if (text.includes('%'))
    return text.replaceAll(/(?:%[\da-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
  if (!/^[\w+/-]{8,}={0,2}$/.test(text)) return text;
  const decoded = Buffer.from(text, 'base64').toString();
  return /[\0-\x08\x0e-\x1f\ufffd]/.test(decoded) ? text : decoded;
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
