/**
 * Signatures of requests to S3: the examples that AWS publishes ("Signature Calculations for the Authorization
 * Header"), and one of ours.
 */
import { expect, it } from 'vitest';
import { encoded, signS3 } from '../../../src/control/drains/sigv4.ts';

const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const when = { region: 'us-east-1', timeMs: Date.UTC(2013, 4, 24) };
const bucket = 'https://examplebucket.s3.amazonaws.com';

interface Example {
  readonly what: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signature: string;
}

it.each<Example>([
  {
    what: 'GET Object',
    method: 'GET',
    url: `${bucket}/test.txt`,
    headers: { range: 'bytes=0-9' },
    body: '',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    what: 'PUT Object',
    method: 'PUT',
    url: `${bucket}/test%24file.text`,
    headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
    body: 'Welcome to Amazon S3.',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    what: 'GET Bucket Lifecycle',
    method: 'GET',
    url: `${bucket}/?lifecycle`,
    headers: {},
    body: '',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    what: 'Get Bucket (List Objects)',
    method: 'GET',
    url: `${bucket}/?max-keys=2&prefix=J`,
    headers: {},
    body: '',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
  {
    // Computed with OpenSSL from the same document.
    what: 'a query with letters that are encoded',
    method: 'GET',
    url: `${bucket}/?prefix=a/b%2B%C3%BC&list*of=x+y`,
    headers: {},
    body: '',
    signature: '354f62b9eab51f607521a940fa6fc3f44da5e599f209633e23813114e9ae09a3',
  },
])('$what has its signature', ({ method, url, headers, body, signature }) => {
  const fields = signS3({ method, url: new URL(url), headers, body: Buffer.from(body) }, keys, when);
  expect(fields.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/20130524\/us-east-1\/s3\/aws4_request, /,
  );
  expect(fields.authorization).toContain(`Signature=${signature}`);
  expect(fields['x-amz-date']).toBe('20130524T000000Z');
});

it('encodes what encodeURIComponent leaves', () => {
  expect(encoded("a b!'()*~ü/")).toBe('a%20b%21%27%28%29%2A~%C3%BC%2F');
});
