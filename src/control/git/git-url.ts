/**
 * Matches the URLs of the git door on the raw request line: the library reads `a.gitsecret` as `a`, follows `..`, and
 * takes the service from anywhere in the path.
 */
export type GitService = 'upload-pack' | 'receive-pack';

export interface GitRoute {
  /** Name as written in the URL; it may be invalid. */
  readonly name: string;
  readonly service: GitService;
  /** GET …/info/refs?service=…, or POST …/git-… */
  readonly kind: 'advertise' | 'serve';
}

/** Returns whether the door answers `url`, with 404 at least: every URL that git asks for belongs to the door. */
export function isGitUrl(url: string): boolean {
  return (
    /^\/[^/?]*\.git(?:[/?]|$)/.test(url) || /^[^?]*\/(?:info\/refs|git-(?:upload|receive)-pack)(?:[/?]|$)/.test(url)
  );
}

/**
 * Returns the handler's name and the service of a request of git's smart HTTP protocol; null for any other request.
 */
export function parseGitUrl(method: string, url: string): GitRoute | null {
  const match = /^\/([^/?#%]{1,100})\.git\/(info\/refs|git-upload-pack|git-receive-pack)(?:\?(.*))?$/.exec(url);
  if (match === null) return null;
  const [, name = '', action, query] = match;
  if (action === 'info/refs') {
    const service = /^service=git-(upload-pack|receive-pack)$/.exec(query ?? '')?.[1];
    if (method !== 'GET' || service === undefined) return null;
    return { name, service: toService(service), kind: 'advertise' };
  }
  if (method !== 'POST' || query !== undefined || action === undefined) return null;
  return { name, service: toService(action.slice('git-'.length)), kind: 'serve' };
}

/**
 * Returns the value of GIT_PROTOCOL for a request with the header `Git-Protocol: header` (gitprotocol-v2(5), "HTTP
 * Transport"); null for version 0, and for a push, which has no version 2.
 */
export function protocolOf(header: string | readonly string[] | undefined, service: GitService): string | null {
  const version = /(?:^|:)version=([12])(?:$|:)/.exec(String(header ?? ''))?.[1];
  return service === 'receive-pack' || version === undefined ? null : `version=${version}`;
}

function toService(text: string): GitService {
  return text === 'receive-pack' ? 'receive-pack' : 'upload-pack';
}

/** Returns the name and password of a Basic header (RFC 7617); null for any other header, and for an empty password. */
export function basicCredentials(header: string | undefined): { name: string; password: string } | null {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined || encoded.length > 2_048) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0 || colon === text.length - 1) return null;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
