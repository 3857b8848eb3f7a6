/** docs/http.md, over real sockets. */
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProbe, runnerProbe } from '../../../src/protocol/runner-probe.ts';
import { call, deploymentOf, fixture, TestFleet, writer } from '../../support/fleet.ts';
import { cwaGuest, flood, openQuery, readAll, showVariable, startThenSleep, startThenTrap } from '../../support/wat.ts';

const fleet = new TestFleet();

beforeAll(async () => {
  await fleet.start();
  await fleet.deployWat('variable', showVariable, { env: { GREETING: 'hello', HTTP_OWN: 'the handler’s' } });
});
afterAll(() => fleet.stop());

const variable = async (name: string, path = '/variable', headers: Record<string, string | string[]> = {}) => {
  const answer = await call(`${fleet.url}${path}?${name}`, { headers });
  return answer.status === 404 ? null : answer.text;
};

const problemOf = (text: string) =>
  JSON.parse(text) as { code: string; status: number; detail: string; id: string; hints?: string[] };

describe('the environment of a function', () => {
  it('holds the CGI variables of a request by path', async () => {
    const port = String(fleet.fleet.port);
    const expected: Record<string, string> = {
      GATEWAY_INTERFACE: 'CGI/1.1',
      SERVER_PROTOCOL: 'HTTP/1.1',
      SERVER_NAME: '127.0.0.1',
      SERVER_PORT: port,
      REQUEST_METHOD: 'GET',
      REQUEST_SCHEME: 'http',
      SCRIPT_NAME: '/variable',
      PATH_INFO: '/a b/ü',
      REQUEST_URI: '/variable/a%20b/%C3%BC?REQUEST_URI',
      QUERY_STRING: 'QUERY_STRING',
      REMOTE_ADDR: '127.0.0.1',
      GREETING: 'hello',
    };
    for (const [name, value] of Object.entries(expected))
      expect(await variable(name, '/variable/a%20b/%C3%BC'), name).toBe(value);
    expect(await variable('SERVER_SOFTWARE')).toMatch(/^Trisiel\//);
    for (const name of ['HTTPS', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'NODE_ENV', 'PATH'])
      expect(await variable(name), name).toBeNull();
  });

  it('has an empty SCRIPT_NAME under the function’s own host name', async () => {
    const headers = { host: 'variable.localhost:8080' };
    const own = async (name: string) => (await call(`${fleet.url}/variable/x?${name}`, { headers })).text;
    expect(await own('SCRIPT_NAME')).toBe('');
    expect(await own('PATH_INFO')).toBe('/variable/x');
    expect(await own('SERVER_NAME')).toBe('variable.localhost');
    expect(await own('SERVER_PORT')).toBe('8080');
  });

  it('names the invocation and the runner', async () => {
    const answer = await call(`${fleet.url}/variable?RUN_ID`);
    expect(answer.text).toBe(answer.headers['trisiel-invocation']);
    expect(await variable('WORKER_ID')).toBe(fleet.runners[0]?.runnerId);
  });

  it('does not let a function name a node, which a proxy would follow; its 421 is its own', async () => {
    await fleet.deployWat('moved', writer('Status: 421\nTrisiel-Node: http://192.0.2.1\nX-Own: 1\n\nown'));
    const answer = await call(`${fleet.url}/moved/`);
    expect([answer.status, answer.text, answer.headers['x-own']]).toEqual([421, 'own', '1']);
    expect(answer.headers['trisiel-node']).toBeUndefined();
    expect((await call(`${fleet.url}/moved/a/.trisiel/holder`)).status).toBe(204);
  });

  it('does not let a function set a field of the platform, those of later versions included', async () => {
    const names = ['Stale', 'ERROR', 'invocation', 'Lost-Output', 'Of-Later-Versions'];
    const forged = names.map((name) => `TriSiel-${name}: forged\n`).join('');
    await fleet.deployWat('forging', writer(`Status: 200\n${forged}X-Own: 1\n\nown`));
    const answer = await call(`${fleet.url}/forging/`);
    expect([answer.text, answer.headers['x-own']]).toEqual(['own', '1']);
    const set = Object.keys(answer.headers).filter((name) => name.startsWith('trisiel-'));
    expect(set).toEqual(['trisiel-invocation']);
    expect(answer.headers['trisiel-invocation']).not.toContain('forged');
  });

  it('holds header fields, several of one name in one variable, the handler’s own variables first', async () => {
    const headers = { 'x-one': 'a', 'x-many': ['b', 'c'], own: 'the caller' };
    expect(await variable('HTTP_X_ONE', '/variable', headers)).toBe('a');
    expect(await variable('HTTP_X_MANY', '/variable', headers)).toBe('b, c');
    expect(await variable('HTTP_OWN', '/variable', headers)).toBe('the handler’s');
  });

  it('never holds Proxy, the caller’s Authorization, or a name that could pass for another', async () => {
    const headers = {
      proxy: 'http://evil',
      authorization: 'Bearer x',
      x_real_ip: 'y',
      'proxy-authorization': 'z',
      'trisiel-tried': 'w',
    };
    const never = ['HTTP_PROXY', 'HTTP_X_REAL_IP', 'HTTP_PROXY_AUTHORIZATION', 'HTTP_TRISIEL_TRIED'];
    for (const name of ['HTTP_AUTHORIZATION', ...never])
      expect(await variable(name, '/variable', headers), name).toBeNull();
    await fleet.deployWat('trusted', showVariable, { passAuthorization: true });
    expect(await variable('HTTP_AUTHORIZATION', '/trusted', headers)).toBe('Bearer x');
  });

  it('tells type and length of the body', async () => {
    const post = (name: string) =>
      call(`${fleet.url}/variable?${name}`, { method: 'POST', headers: { 'content-type': 'a/b' }, body: 'four' });
    expect((await post('CONTENT_LENGTH')).text).toBe('4');
    expect((await post('CONTENT_TYPE')).text).toBe('a/b');
    expect((await post('HTTP_CONTENT_TYPE')).status).toBe(404);
  });
});

describe('the answer of a function', () => {
  it('carries status, reason, headers and cookies as written', async () => {
    await fleet.deploy(deploymentOf('teapot', await fixture('cwa/headers.wasm')));
    const answer = await call(fleet.url, { headers: { host: 'teapot.localhost' } });
    expect(answer).toMatchObject({ status: 418, reason: "I'm a teapot" });
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(answer.headers['x-guest']).toBe('cwa');
  });

  it('streams the request’s body in and out byte for byte, large and small, on one connection', async () => {
    await fleet.deploy(deploymentOf('echo', await fixture('cwa/echo.wasm')));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const size of [0, 1, 1_000, 65_536, 3_000_001]) {
      const body = Buffer.alloc(size, 'the quick brown fox ');
      const answer = await call(`${fleet.url}/echo/`, { method: 'POST', body, agent });
      expect(answer.body.equals(body), String(size)).toBe(true);
    }
    agent.destroy();
  });

  it('comes back while the request still goes on', async () => {
    const headers = { 'content-length': '40000' };
    const request = httpRequest(`${fleet.url}/echo/`, { method: 'POST', headers, agent: false });
    const answered = once(request, 'response');
    request.write('x'.repeat(20_000));
    const [response] = await answered;
    const [first] = await once(response, 'data');
    expect((first as Buffer).length).toBeGreaterThan(0);
    request.end('x'.repeat(20_000));
    response.resume();
    await once(response, 'end');
  });

  it('follows local redirects inside, at most five', async () => {
    // Redirects to itself, and says there what the path is.
    const redirecting = (location: string) =>
      cwaGuest({
        data: [
          '(data (i32.const 0) "QUERY_STRING")',
          '(data (i32.const 16) "PATH_INFO")',
          `(data (i32.const 64) "Location: ${location}\\n\\n")`,
        ],
        body: `
          (if (call $env (i32.const 0) (i32.const 12) (i32.const 0) (i32.const 0))
            (then
              (local.set $n (call $env (i32.const 16) (i32.const 9) (i32.const 256) (i32.const 100)))
              (drop (call $write (call $stdout) (i32.const 256) (local.get $n))))
            (else (drop (call $write (call $stdout) (i32.const 64) (i32.const ${location.length + 12})))))`,
      });
    await fleet.deployWat('here', redirecting('/here/moved?x'));
    expect((await call(`${fleet.url}/here/`)).text).toBe('/moved');
    expect((await call(`${fleet.url}/here/`, { method: 'POST', body: 'x' })).text).toBe('/moved');
    await fleet.deployWat('host', redirecting('/variable/moved?x'));
    expect((await call(fleet.url, { headers: { host: 'host.localhost' } })).text).toBe('/variable/moved');
    // By path it would be another function's: the client is sent there, nothing is run for it.
    const elsewhere = await call(`${fleet.url}/host/`);
    expect(elsewhere).toMatchObject({ status: 302, text: '' });
    expect(elsewhere.headers.location).toBe('/variable/moved?x');
    await fleet.deployWat('round', writer('Location: /round\n\n'));
    const answer = await call(`${fleet.url}/round`);
    expect(answer.status).toBe(502);
    expect(problemOf(answer.text).code).toBe('bad_cgi_output');
  });

  it('has no body for HEAD, and leaves the connection in order', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const head = await call(`${fleet.url}/teapot/`, { method: 'HEAD', agent });
    expect(head.status).toBe(418);
    expect(head.body.length).toBe(0);
    expect((await call(`${fleet.url}/variable?REQUEST_METHOD`, { agent })).text).toBe('GET');
    agent.destroy();
  });

  it('is asked for the body only when the function reads it (100-continue)', async () => {
    const request = httpRequest(`${fleet.url}/echo/`, {
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': '4' },
      agent: false,
    });
    request.flushHeaders();
    const answered = once(request, 'response');
    await once(request, 'continue');
    request.end('body');
    const [response] = await answered;
    const [body] = await once(response, 'data');
    expect(String(body)).toBe('body');
  });
});

describe('what the platform answers itself', () => {
  const expectProblem = async (
    path: string,
    status: number,
    code: string,
    options: Parameters<typeof call>[1] = {},
  ) => {
    const answer = await call(`${fleet.url}${path}`, options);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    const problem = problemOf(answer.text);
    expect(problem).toMatchObject({ code, status });
    expect(problem.id).toBe(answer.headers['trisiel-invocation']);
    return { answer, problem };
  };

  it('says which handlers there are not', async () => {
    // Nor what the runner is: only to those who hold the platform's key.
    await expectProblem(runnerProbe.path, 404, 'handler_not_found');
    const strange = { headers: { [runnerProbe.askField]: makeProbe('another key').field } };
    await expectProblem(runnerProbe.path, 404, 'handler_not_found', strange);
    const probe = makeProbe('key-of-the-tests');
    const own = await call(fleet.url + runnerProbe.path, { headers: { [runnerProbe.askField]: probe.field } });
    expect(JSON.parse(own.text)).toMatchObject({ platformId: 'platform-of-the-tests' });
    expect(probe.isAnsweredBy(String(own.headers[runnerProbe.proofField]))).toBe(true);
    expect(makeProbe('key-of-the-tests').isAnsweredBy(String(own.headers[runnerProbe.proofField]))).toBe(false);
    await fleet.feed.announce('empty');
    // Changes are made in order: when this one has been, so has that.
    await fleet.deployWat('barrier', writer('x'));
    await expectProblem('/', 404, 'handler_not_found');
    await expectProblem('/nobody/', 404, 'handler_not_found');
    await expectProblem('/empty/', 404, 'not_deployed');
    await fleet.feed.remove('empty');
    await fleet.deployWat('barrier', writer('y'));
    await expectProblem('/empty/', 404, 'handler_not_found');
    await expectProblem('/variable/%00', 400, 'bad_request');
  });

  it('says the right port to a caller who has mixed up the ports', async () => {
    const { port } = new URL(fleet.url);
    for (const target of ['/', '/api/v1/handlers', '/docs', '/swift-otter.git/info/refs?service=git-upload-pack']) {
      const { problem } = await expectProblem(target, 404, 'handler_not_found', {
        headers: { host: `localhost:${port}` },
      });
      expect(problem.hints).toEqual([
        `functions answer at http://NAME.localhost:${port} and at http://localhost:${port}/NAME/`,
        'the API, git and the book are at http://127.0.0.1:1/',
      ]);
    }
  });

  it('tells the caller little and the owner everything when a function fails', async () => {
    await fleet.deploy(deploymentOf('trap', await fixture('cwa/trap.wasm')));
    const { answer, problem } = await expectProblem('/trap/', 500, 'trapped');
    expect(answer.text).not.toMatch(/unreachable/);
    const line = await fleet.until(() => fleet.lines.find(({ invocation }) => invocation === problem.id));
    expect(line).toMatchObject({ handler: 'trap', stream: 'platform', level: 1 });
    expect(line.text).toMatch(/^trapped: unreachable in boom/);
    const record = await fleet.until(() => fleet.records.find(({ id }) => id === problem.id));
    expect(record).toMatchObject({ outcome: 'trapped', status: 500, method: 'GET', path: '/', logLines: 1 });
  });

  it('has a code for every way to fail', async () => {
    await fleet.deploy(deploymentOf('exit', await fixture('cwa/exit.wasm')));
    await expectProblem('/exit/', 500, 'exited');
    await fleet.deploy(deploymentOf('gas', await fixture('cwa/spin.wasm'), { limits: { gas: 3_000_000 } }));
    await expectProblem('/gas/', 500, 'out_of_gas');
    await fleet.deploy(deploymentOf('slow', await fixture('cwa/sleep.wasm'), { limits: { timeoutMs: 100 } }));
    await expectProblem('/slow/', 504, 'deadline_exceeded');
    await fleet.deploy(deploymentOf('busy', await fixture('cwa/spin.wasm'), { limits: { gas: 1e12, timeoutMs: 100 } }));
    await expectProblem('/busy/', 504, 'deadline_exceeded');
    await fleet.deployWat(
      'outside',
      '(module (global $end i32 (i32.const 65536)) (memory 1) (data (global.get $end) "x") (func (export "_start")))',
    );
    await expectProblem('/outside/', 500, 'trapped');
    const line = await fleet.until(() => fleet.lines.find(({ handler }) => handler === 'outside'));
    expect(line.text).toMatch(/before its first instruction: .*data segment/);
    await fleet.deployWat('malformed', writer('X-A: 1\nno header\n\n'));
    await expectProblem('/malformed/', 502, 'bad_cgi_output');
    await fleet.deployWat('policy', openQuery, { policy: { allow: ['^null:'], disallow: [] } });
    expect((await call(`${fleet.url}/policy/?null:`)).text).toBe('opened\n');
    await expectProblem('/policy/?zero:', 500, 'policy_violation');
  });

  it('refuses a body that is too large, announced or not, and closes the connection', async () => {
    await fleet.deployWat('reader', readAll, { limits: { bodyBytes: 1000 } });
    expect((await call(`${fleet.url}/reader/`, { method: 'POST', body: 'x'.repeat(1000) })).text).toBe('read\n');
    const announced = await expectProblem('/reader/', 413, 'body_too_large', {
      method: 'POST',
      body: 'x'.repeat(1001),
    });
    expect(announced.answer.headers.connection).toBe('close');
    await expectProblem('/reader/', 413, 'body_too_large', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked' },
      body: 'x'.repeat(5000),
    });
  });
});

describe('a connection', () => {
  it('shows its client the refusal of a body that is still being sent, and is closed then', async () => {
    await fleet.deployWat('small', readAll, { limits: { bodyBytes: 1000 } });
    for (const head of ['Content-Length: 4000000', 'Transfer-Encoding: chunked']) {
      const socket = connect(fleet.fleet.port, '127.0.0.1');
      socket.write(`POST /small/ HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`);
      socket.write(
        head.includes('chunked') ? `3d0900\r\n${'x'.repeat(4_000_000)}\r\n0\r\n\r\n` : 'x'.repeat(4_000_000),
      );
      let text = '';
      for await (const part of socket) text += String(part);
      expect(text, head).toMatch(/^HTTP\/1\.1 413 [\s\S]*body_too_large/);
    }
  });

  it('goes on where a function has not read its request', async () => {
    await fleet.deployWat('deaf', writer('deaf'));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i++) {
      const answer = await call(`${fleet.url}/deaf/`, { method: 'POST', body: 'x'.repeat(3_000_000), agent });
      expect(answer.text).toBe('deaf');
    }
    agent.destroy();
  });

  it('is broken off where a function fails after its answer has begun', async () => {
    await fleet.deployWat('broken', startThenTrap);
    await expect(call(`${fleet.url}/broken/`)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    const line = await fleet.until(() => fleet.lines.find(({ handler }) => handler === 'broken'));
    expect(line.text).toMatch(/^trapped/);
    const record = await fleet.until(() => fleet.records.find(({ handler }) => handler === 'broken'));
    expect(record).toMatchObject({ outcome: 'trapped', status: 200 });
  });

  it('ends the function when the client goes away', async () => {
    await fleet.deployWat('waiting', startThenSleep);
    const request = httpRequest(`${fleet.url}/waiting/`, { agent: false });
    request.end();
    const [response] = await once(request, 'response');
    const [first] = await once(response, 'data');
    expect(String(first)).toBe('first\n');
    request.on('error', () => {});
    response.on('error', () => {});
    request.destroy();
    const record = await fleet.until(() => fleet.records.find(({ handler }) => handler === 'waiting'));
    expect(record).toMatchObject({ outcome: 'aborted' });
  });

  it('makes the function wait for a client that does not read, in little memory', async () => {
    await fleet.deployWat('flood', flood, { limits: { timeoutMs: 3_000, gas: 1e11 } });
    const before = await rss();
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect(fleet.fleet.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.pause();
      socket.write('GET /flood/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
      return socket;
    });
    const ends = await fleet.until(() => {
      const all = fleet.records.filter(({ handler }) => handler === 'flood');
      return all.length === sockets.length ? all : undefined;
    });
    const after = await rss();
    for (const socket of sockets) socket.destroy();
    for (const end of ends) {
      expect(end.outcome).toBe('deadline_exceeded');
      // The system's buffers and ours; not what it could have written in three seconds.
      expect(end.bytesOut).toBeLessThan(16 * 1024 * 1024);
    }
    // Most of it is garbage of the first calls: 20 take up to 80 MB, 60 take 96. Without waiting it would be gigabytes.
    expect(after - before).toBeLessThan(160 * 1024 * 1024);
  });

  it('answers requests that are pipelined in their order', async () => {
    const socket = connect(fleet.fleet.port, '127.0.0.1');
    const one = (name: string) => `GET /variable?${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    socket.write(
      one('GATEWAY_INTERFACE') +
        one('REQUEST_METHOD') +
        one('GREETING').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    );
    let text = '';
    for await (const part of socket) text += String(part);
    expect(text.replace(/HTTP\/1\.1 200[\s\S]*?\r\n\r\n/g, '|')).toBe('|CGI/1.1|GET|hello');
  });
});

/** Resident memory of the runner, from its next answer to the watchdog. */
async function rss(): Promise<number> {
  const old = fleet.runners[0]?.stats;
  for (;;) {
    const stats = fleet.runners[0]?.stats;
    if (stats !== null && stats !== undefined && stats !== old) return stats.rssBytes;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
