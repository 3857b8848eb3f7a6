/** Makes requests to the git door as git's client does, byte by byte under the control of a test. */
import { execFileSync } from 'node:child_process';
import { Agent, type ClientRequest, type IncomingHttpHeaders, request } from 'node:http';
import { flushPkt, pktLine } from '../../src/control/git/pkt-line.ts';
import type { DoorPlatform, DoorUser } from './git-platform.ts';

export const zero = '0'.repeat(40);

/** Returns the header value for `token`, or for a name and its password. */
export function basic(token: string, name = 'x'): string {
  return `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}`;
}

export type Command = readonly [old: string, next: string, ref: string | Buffer];

/** Returns the command section of a push. */
export function commandSection(commands: readonly Command[]): Buffer {
  const lines = commands.map(([old, next, ref], index) =>
    pktLine(
      Buffer.concat([
        Buffer.from(`${old} ${next} `),
        Buffer.from(ref),
        Buffer.from(index === 0 ? '\0 report-status side-band-64k agent=test' : ''),
      ]),
    ),
  );
  return Buffer.concat([...lines, flushPkt]);
}

/** Returns the request that `git push` sends: commands, and a pack of their commits with all objects that they need. */
export async function pushBody(repo: string, commands: readonly Command[]): Promise<Buffer> {
  const oids = commands.map(([, next]) => next).filter((oid) => oid !== zero);
  const pack = execFileSync('git', ['pack-objects', '--revs', '--stdout', '-q'], { cwd: repo, input: oids.join('\n') });
  return Buffer.concat([commandSection(commands), pack]);
}

export interface OpenRequest {
  readonly outgoing: ClientRequest;
  /** The whole answer. Rejects when the connection ends before it. */
  readonly answer: Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }>;
}

const agent = new Agent({ keepAlive: false });

/** Begins a POST whose body the test writes. */
export function openPost(
  platform: DoorPlatform,
  user: DoorUser,
  path: string,
  headers: Readonly<Record<string, string | number>> = {},
): OpenRequest {
  const outgoing = request(`${platform.url}${path}`, {
    method: 'POST',
    agent,
    headers: { authorization: basic(user.token), ...headers },
  });
  const answer: OpenRequest['answer'] = new Promise((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
  });
  answer.catch(() => {}); // A test that ends earlier does not wait for the answer.
  return { outgoing, answer };
}
