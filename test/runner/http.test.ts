/** What RFC 3875, 9110 and 9112 ask of a server, over raw sockets: what is sent and received is octets. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runnerLimits } from '../../src/protocol/limits.ts';
import { TrustedProxies } from '../../src/protocol/trusted-proxies.ts';
import { deploymentOf, fixture, TestFleet, writer } from '../support/fleet.ts';
import { cwaGuest, readAll, showVariable } from '../support/wat.ts';

const fleet = new TestFleet({ trustedProxies: TrustedProxies.parse('127.0.0.2, 127.1.0.0/16') });

beforeAll(async () => {
  await fleet.start();
  await fleet.deployWat('variable', showVariable);
  await fleet.deployWat('reader', readAll);
  await fleet.deploy(deploymentOf('echo', await fixture('cwa/echo.wasm')));
});
afterAll(() => fleet.stop());

/** What the server sends until it closes, one character per octet. `from`: the client's address. */
async function ask(text: string, from = '127.0.0.1'): Promise<string> {
  const socket = connect({ port: fleet.fleet.port, host: '127.0.0.1', localAddress: from });
  socket.setEncoding('latin1');
  socket.write(text, 'latin1');
  let answer = '';
  for await (const part of socket) answer += String(part);
  return answer;
}

const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const lines = (...all: readonly string[]): string => `${all.join('\r\n')}\r\n\r\n`;

/** The value of the variable `name` that a request with these lines gives its function; null where it has none. */
async function variable(name: string, head: readonly string[], body = '', from?: string): Promise<string | null> {
  const [first = 'GET /variable?NAME HTTP/1.1', ...fields] = head;
  const answer = await ask(lines(first.replace('NAME', name), ...fields, 'Connection: close') + body, from);
  if (answer.startsWith('HTTP/1.1 404')) return null;
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  return bodyOf(answer);
}

const get = (...fields: readonly string[]) => ['GET /variable?NAME HTTP/1.1', 'Host: localhost', ...fields];

async function expectProblem(text: string, status: number, code: string): Promise<void> {
  const answer = await ask(text);
  expect(answer, text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(answer).toContain('content-type: application/problem+json\r\n');
  const problem = JSON.parse(bodyOf(answer)) as { code: string; id: string };
  expect(problem.code).toBe(code);
  expect(answer).toContain(`trisiel-invocation: ${problem.id}\r\n`);
}

describe('the head of a request', () => {
  it('is refused with two Host fields, none, or one that is no host', async () => {
    for (const fields of [
      ['Host: localhost', 'Host: localhost'],
      ['Host: variable.localhost', 'hOST: other.localhost'],
      [],
      ['Host: a b'],
      ['Host: user@localhost'],
      ['Host: localhost/x'],
      ['Host: localhost:99999'],
    ]) {
      await expectProblem(lines('GET /variable HTTP/1.1', ...fields), 400, 'bad_request');
    }
  });

  it('has the host of an absolute target, whatever the Host field says', async () => {
    const target = ['GET http://Variable.localhost:81/?NAME HTTP/1.1', 'Host: nobody.localhost'];
    expect(await variable('SERVER_NAME', target)).toBe('variable.localhost');
    expect(await variable('SERVER_PORT', target)).toBe('81');
    expect(await variable('HTTP_HOST', target)).toBe('Variable.localhost:81');
    expect(await variable('REQUEST_URI', target)).toBe('http://Variable.localhost:81/?REQUEST_URI');
    await expectProblem(lines('GET http://a@variable.localhost/ HTTP/1.1', 'Host: x'), 400, 'bad_request');
  });

  it('is answered with problem+json where it is no HTTP, too large, or late in its body', async () => {
    await expectProblem('no request at all\r\n\r\n', 400, 'bad_request');
    await expectProblem(lines('GET /variable HTTP/1.1', 'Host: localhost', 'no field'), 400, 'bad_request');
    await expectProblem(
      lines('GET /variable HTTP/1.1', 'Host: localhost', `X: ${'x'.repeat(20_000)}`),
      431,
      'header_too_large',
    );
    await expectProblem(lines('CONNECT localhost:80 HTTP/1.1', 'Host: localhost:80'), 405, 'method_not_allowed');
    await expectProblem(
      lines('GET /variable HTTP/1.1', 'Host: x', 'Expect: wonders', 'Connection: close'),
      417,
      'expectation_failed',
    );
    const chunked = lines('POST /reader/ HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked');
    await expectProblem(`${chunked}3\r\nabc\r\nno size\r\n`, 400, 'bad_request');
  });

  it('is refused where it leaves open how its body ends', async () => {
    const coded = (version: string, coding: string) =>
      `${lines(`POST /reader/ HTTP/${version}`, 'Host: localhost', `Transfer-Encoding: ${coding}`)}0\r\n\r\n`;
    await expectProblem(coded('1.1', 'gzip, chunked'), 501, 'not_implemented');
    await expectProblem(coded('1.0', 'chunked'), 400, 'bad_request');
    const both = ['Transfer-Encoding: chunked', 'Content-Length: 5'];
    await expectProblem(`${lines('POST /reader/ HTTP/1.1', 'Host: localhost', ...both)}0\r\n\r\n`, 400, 'bad_request');
  });

  it('is refused in another version of HTTP, whose rules nobody here follows', async () => {
    for (const version of ['0.9', '2.0'])
      await expectProblem(
        lines(`GET /variable?A HTTP/${version}`, 'Host: localhost', 'Connection: close'),
        400,
        'bad_request',
      );
  });

  it('that offers another protocol is answered, and the client told to ask elsewhere what stands behind it', async () => {
    const offer = ['Connection: Upgrade', 'Upgrade: h2c'];
    const answer = await ask(lines(...get(...offer)) + lines('GET /variable?B HTTP/1.1', 'Host: localhost'));
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toMatch(/\r\nConnection: close\r\n/i);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('has an id that ends in its number, in decimal digits', async () => {
    for (let count = 0; count < 11; count += 1) {
      const answer = await ask(lines(...get('Connection: close')));
      expect(answer).toMatch(/^trisiel-invocation: [0-9a-f]{12}-\d+\r$/m);
    }
  });

  it('may ask for the server as a whole', async () => {
    expect(await ask(lines('OPTIONS * HTTP/1.1', 'Host: localhost', 'Connection: close'))).toMatch(/^HTTP\/1\.1 204 /);
    await expectProblem(lines('GET * HTTP/1.1', 'Host: localhost'), 400, 'bad_request');
  });

  it('reaches the function octet by octet', async () => {
    const all = Array.from({ length: 128 }, (_, n) => String.fromCharCode(128 + n)).join('');
    expect(await variable('HTTP_X_OCTETS', get(`X-Octets: a${all}b`))).toBe(`a${all}b`);
    const utf8 = Buffer.from('grüße').toString('latin1');
    expect(await variable('HTTP_X_OCTETS', get(`X-Octets: ${utf8}`))).toBe(utf8);
    // Everything that RFC 9110 section 5.6.2 allows in a name, but for the underscore (and #, which a query cannot
    // hold).
    expect(await variable("HTTP_X!$%&'*+.^`|~0", get("X!$%&'*+.^`|~0: y"))).toBe('y');
    expect(
      await variable('CONTENT_TYPE', [
        'POST /variable?NAME HTTP/1.1',
        'Host: x',
        'Content-Length: 0',
        'Content-Type: \xff/b',
      ]),
    ).toBe('\xff/b');
  });

  it('has its path decoded in PATH_INFO and raw in REQUEST_URI', async () => {
    const path = (target: string) => [`GET ${target} HTTP/1.1`, 'Host: localhost'];
    const target = '/variable/a%20b%2Fc/%FF%e9%zz/%c3%bc?NAME';
    expect(await variable('PATH_INFO', path(target))).toBe('/a b/c/\xff\xe9%zz/\xc3\xbc');
    expect(await variable('REQUEST_URI', path(target))).toBe(target.replace('NAME', 'REQUEST_URI'));
  });

  it('tells a port that can be connected to', async () => {
    const port = String(fleet.fleet.port);
    for (const host of ['localhost', 'localhost:0', 'localhost:', 'variable.example'])
      expect(await variable('SERVER_PORT', ['GET /variable?NAME HTTP/1.1', `Host: ${host}`]), host).toBe(port);
  });
});

describe('the body of a request', () => {
  const chunked = (name: string, size: number, more: readonly string[] = []): [string[], string] => [
    [`POST /${name}?NAME HTTP/1.1`, 'Host: localhost', 'Transfer-Encoding: chunked', ...more],
    `${(size - 1).toString(16)}\r\n${'x'.repeat(size - 1)}\r\n1\r\ny\r\n0\r\nX-Trailer: z\r\n\r\n`,
  ];

  it('has a CONTENT_LENGTH where it is chunked and of at most 1 MiB, and no Transfer-Encoding', async () => {
    for (const size of [2, 70_000, runnerLimits.collectedBytes])
      expect(await variable('CONTENT_LENGTH', ...chunked('variable', size)), String(size)).toBe(String(size));
    expect(await variable('CONTENT_LENGTH', ...chunked('variable', runnerLimits.collectedBytes + 1))).toBeNull();
    expect(await variable('HTTP_TRANSFER_ENCODING', ...chunked('variable', 2))).toBeNull();
    const empty = ['POST /variable?NAME HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked'];
    expect(await variable('CONTENT_LENGTH', empty, '0\r\n\r\n')).toBe('0');
    expect(await variable('CONTENT_LENGTH', [empty[0] ?? '', 'Host: localhost', 'Content-Length: 0'])).toBe('0');
  });

  it('arrives whole whether it was collected or is streamed', async () => {
    for (const size of [2, 70_000, runnerLimits.collectedBytes, 3 * runnerLimits.collectedBytes]) {
      const [head, body] = chunked('echo', size);
      const answer = await ask(lines(...head, 'Connection: close') + body);
      expect(answer.match(/x/g)?.length ?? 0, String(size)).toBeGreaterThanOrEqual(size - 1);
    }
  });

  it('is asked for at once where it is chunked and the client waits for 100 Continue', async () => {
    const [head, body] = chunked('variable', 5, ['Expect: 100-continue', 'Connection: close']);
    const socket = connect(fleet.fleet.port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.write(lines(...head).replace('NAME', 'CONTENT_LENGTH'));
    let answer = '';
    for await (const part of socket) {
      if (answer === '') socket.write(body);
      answer += String(part);
    }
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 [\s\S]*\r\n\r\n5$/);
  });

  it('that cannot be read is told as the client’s mistake, to the client and to the owner, under one id', async () => {
    const head = lines('POST /reader/torn HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked');
    for (const rest of [
      '3\r\nabc\r\nno size\r\n',
      '3\r\nabcdef\r\n0\r\n\r\n',
      'x\r\n',
      '-1\r\n',
      'ffffffffffffffffff\r\n',
    ]) {
      const answer = await ask(head + rest);
      expect(answer, rest).toMatch(/^HTTP\/1\.1 400 /);
      const id = /\r\ntrisiel-invocation: (\S+)\r\n/.exec(answer)?.[1];
      const record = await fleet.until(() => fleet.records.find((one) => one.id === id));
      expect(record, rest).toMatchObject({ handlerId: 'id-of-reader', outcome: 'bad_request', status: 400 });
      const line = await fleet.until(() =>
        fleet.lines.find(({ invocation, stream }) => invocation === id && stream === 'platform'),
      );
      expect(line.text).toMatch(/^the client sent a body that cannot be read: /);
    }
  });

  it('that is whole is not blamed for what stands behind it on the connection', async () => {
    await fleet.deployWat('waiting', cwaGuest({ body: '(call $sleep (i32.const 1000000000))' }));
    const asked = ask(`${lines('GET /waiting/whole HTTP/1.1', 'Host: localhost')}no request\r\n\r\n`);
    const isWhole = ({ path }: { readonly path: string }) => path === '/whole';
    const record = await fleet.until(() => fleet.records.find((one) => isWhole(one) && one.outcome !== 'running'));
    expect(record).toMatchObject({ outcome: 'aborted' });
    await asked.catch(() => {});
  });

  it('is waited for no longer than the function may run, and ends with its client', async () => {
    await fleet.deployWat('hasty', showVariable, { limits: { timeoutMs: 50 } });
    const head = lines('POST /hasty HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked', 'Connection: close');
    expect(await ask(`${head}5\r\nab`)).toMatch(/^HTTP\/1\.1 504 /);
    const socket = connect(fleet.fleet.port, '127.0.0.1');
    const text = `${lines('POST /variable HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked')}5\r\nab`;
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
    socket.destroy();
    await fleet.until(() => fleet.records.find(({ outcome }) => outcome === 'aborted'));
  });
});

describe('the answer', () => {
  it('carries the octets of the function’s header fields', async () => {
    const octets = Array.from({ length: 128 }, (_, n) => String.fromCharCode(128 + n)).join('');
    await fleet.deployWat('octets', writer(`x-MiXed: a${octets}b\nContent-Type: text/plain\n\n\xff`));
    const answer = await ask(lines('GET /octets/ HTTP/1.1', 'Host: localhost', 'Connection: close'));
    expect(answer).toContain(`\r\nx-MiXed: a${octets}b\r\n`);
    expect(bodyOf(answer)).toBe('\xff');
  });

  it('has no body and a length of 0 with 205', async () => {
    await fleet.deployWat('reset', writer('Status: 205\nContent-Length: 4\n\nbody'));
    const answer = await ask(lines('GET /reset/ HTTP/1.1', 'Host: localhost', 'Connection: close'));
    expect(answer).toMatch(/^HTTP\/1\.1 205 /);
    expect(answer).toMatch(/\r\ncontent-length: 0\r\n/i);
    expect(bodyOf(answer)).toBe('');
  });

  it('is plain text where its first line only looks like a header', async () => {
    for (const text of ['12:30:45\n', 'https://example.com/\n']) {
      await fleet.deployWat('plain', writer(text));
      const answer = await ask(lines('GET /plain/ HTTP/1.1', 'Host: localhost', 'Connection: close'));
      expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*content-type: text\/plain/);
      expect(bodyOf(answer)).toBe(text);
    }
  });
});

describe('header fields that act on a whole origin', () => {
  const fields = [
    'Set-Cookie: own=1; Domain=risky.localhost',
    'Set-Cookie: bare=1; Path=/',
    'Set-Cookie: below=1; domain=.A.risky.localhost',
    'Set-Cookie: empty=1; Domain=',
    'set-cookie: wide=1; Secure; DOMAIN = Localhost',
    'Set-Cookie: foreign=1; Domain=other.localhost',
    'Service-Worker-Allowed: /',
    'Clear-Site-Data: "*"',
    'Strict-Transport-Security: max-age=1',
    'Alt-Svc: h2=":1"',
    'X-Other: kept',
  ];
  const fieldsOf = async (head: string, host: string): Promise<readonly string[]> => {
    const answer = await ask(lines(head, `Host: ${host}`, 'Connection: close'));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    return answer.split('\r\n').filter((line) => fields.includes(line));
  };
  const warnings = (count: number) =>
    fleet.until(() => {
      const found = fleet.lines.filter(({ handler, level }) => handler === 'risky' && level === 3);
      return found.length >= count ? found.map(({ text }) => text) : undefined;
    });

  beforeAll(async () => void (await fleet.deployWat('risky', writer(`${fields.join('\n')}\n\nbody`))));

  it('are dropped where functions share one, and the owner is warned', async () => {
    expect(await fieldsOf('GET /risky/ HTTP/1.1', 'localhost')).toEqual(['X-Other: kept']);
    const texts = await warnings(6);
    for (const name of [
      'Set-Cookie',
      'Service-Worker-Allowed',
      'Clear-Site-Data',
      'Strict-Transport-Security',
      'Alt-Svc',
    ])
      expect(
        texts.some((text) => text.startsWith(`${name} was dropped: under this address`)),
        name,
      ).toBe(true);
  });

  it('are kept under the function’s own host name, but for cookies of a wider domain', async () => {
    const kept = fields.filter((field) => !/wide|foreign/.test(field));
    const before = (await warnings(0)).length;
    expect(await fieldsOf('GET / HTTP/1.1', 'risky.localhost')).toEqual(kept);
    const texts = (await warnings(before + 2)).slice(before);
    expect(texts).toEqual([
      'set-cookie was dropped: its Domain localhost is not risky.localhost or below it',
      'Set-Cookie was dropped: its Domain other.localhost is not risky.localhost or below it',
    ]);
  });
});

describe('output of a function that waits', () => {
  /** Chunks as they arrive on a connection. */
  async function* chunksOf(socket: Socket): AsyncGenerator<string> {
    let text = '';
    for await (const part of socket) {
      text += String(part);
      if (!text.includes('\r\n\r\n')) continue;
      for (;;) {
        const from = text.indexOf('\r\n\r\n') + 4;
        const size = /^([0-9a-f]+)\r\n/.exec(text.slice(from));
        if (size === null) break;
        const start = from + size[0].length;
        const end = start + Number.parseInt(size[1] as string, 16);
        if (text.length < end + 2) break;
        yield text.slice(start, end);
        text = `${text.slice(0, from)}${text.slice(end + 2)}`;
      }
    }
  }

  const begin = (query: string, body: string): Socket => {
    const socket = connect(fleet.fleet.port, '127.0.0.1').setEncoding('latin1');
    socket.write(
      lines(`POST /events/?${query} HTTP/1.1`, 'Host: localhost', 'Content-Length: 3', 'Connection: close') + body,
    );
    return socket;
  };

  beforeAll(async () => fleet.deploy(deploymentOf('events', await fixture('wasi/events.wasm'))));

  it('arrives part by part, each while the function waits for what comes next', async () => {
    const socket = begin('read', '');
    const seen: string[] = [];
    for await (const chunk of chunksOf(socket)) {
      seen.push(chunk);
      // Only now: the function cannot have gone on.
      if (seen.length <= 3) socket.write(String(seen.length));
    }
    expect(seen).toEqual(['data: begin\n\n', 'data: 1\n\n', 'data: 2\n\n', 'data: 3\n\ndata: end\n\n', '']);
  });

  it('arrives while the function sleeps', async () => {
    const socket = begin('sleep', 'abc');
    for await (const chunk of chunksOf(socket)) {
      expect(chunk).toBe('data: begin\n\n');
      break;
    }
    socket.destroy();
  });

  it('stays one piece with Content-Length where nothing had to be waited for', async () => {
    const whole = lines('POST /events/ HTTP/1.1', 'Host: localhost', 'Content-Length: 0', 'Connection: close');
    const answer = await ask(whole);
    expect(answer).toMatch(/\r\ncontent-length: 24\r\n/);
    expect(bodyOf(answer)).toBe('data: begin\n\ndata: end\n\n');
  });
});

describe('what a proxy tells of the client', () => {
  const forwarded = ['Forwarded: for="[2001:db8::1]:4711";proto=https;by=10.0.0.1'];
  const common = ['X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: evil.example'];

  it('counts from a trusted address', async () => {
    expect(await variable('REMOTE_ADDR', get(...forwarded), '', '127.0.0.2')).toBe('2001:db8::1');
    expect(await variable('REMOTE_ADDR', get(...common), '', '127.1.2.3')).toBe('203.0.113.9');
    for (const fields of [forwarded, common]) {
      expect(await variable('HTTPS', get(...fields), '', '127.0.0.2')).toBe('on');
      expect(await variable('REQUEST_SCHEME', get(...fields), '', '127.0.0.2')).toBe('https');
    }
    expect(await variable('HTTP_X_FORWARDED_FOR', get(...common), '', '127.0.0.2')).toBe('203.0.113.9');
  });

  it('is dropped from everybody else', async () => {
    for (const name of ['HTTP_FORWARDED', 'HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED_HOST', 'HTTPS'])
      expect(await variable(name, get(...forwarded, ...common), '', '127.0.0.3'), name).toBeNull();
    expect(await variable('REMOTE_ADDR', get(...forwarded, ...common), '', '127.0.0.3')).toBe('127.0.0.3');
    expect(await variable('REQUEST_SCHEME', get(...common), '', '127.0.0.3')).toBe('http');
  });
});

describe('a refused request', () => {
  const idOf = (answer: string): string => /\r\ntrisiel-invocation: (\S+)\r\n/.exec(answer)?.[1] ?? '';
  const recordOf = (id: string) => fleet.until(() => fleet.records.find((record) => record.id === id));

  it('leaves a record with its owner', async () => {
    await fleet.deployWat('tight', showVariable, { limits: { bodyBytes: 3 } });
    const large = await ask(`${lines('POST /tight/a HTTP/1.1', 'Host: localhost', 'Content-Length: 4')}four`);
    expect(large).toMatch(/^HTTP\/1\.1 413 /);
    expect(await recordOf(idOf(large))).toMatchObject({
      handlerId: 'id-of-tight',
      outcome: 'body_too_large',
      status: 413,
      method: 'POST',
      path: '/a',
      gas: 0,
    });
  });

  it('is told to the operator where it has no owner, the first of a second with a count of the others', async () => {
    const reports = () =>
      fleet.events
        .filter((event) => event.kind === 'runner_stderr')
        .map(({ line }) => JSON.parse(line) as { msg: string; unreported: number; code: string })
        .filter(({ msg }) => msg === 'a request was refused');
    const before = reports().length;
    const asked = 40;
    for (let n = 0; n < asked; n += 1)
      await expectProblem(lines('GET /nobody/ HTTP/1.1', 'Host: x', 'Connection: close'), 404, 'handler_not_found');
    // The next second's first.
    while (reports().length < before + 2) await ask(lines('GET /nobody/ HTTP/1.1', 'Host: x', 'Connection: close'));
    expect(reports().at(-1)).toMatchObject({ code: 'handler_not_found' });
    expect(reports().at(-1)?.unreported).toBeGreaterThan(0);
  });
});
