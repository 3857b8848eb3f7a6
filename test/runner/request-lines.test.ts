import { beforeEach, describe, expect, it } from 'vitest';
import { handlerIdOf } from '../../src/protocol/names.ts';
import type { PendingLogLine } from '../../src/protocol/nouns.ts';
import { defaultRequestLines, maskTarget, recordedPath, requestLineLimits } from '../../src/protocol/request-lines.ts';
import { type EndedRequest, RequestLines } from '../../src/runner/request-lines.ts';

let lines: PendingLogLine[];
let requests: RequestLines;
let nowMs: number;
beforeEach(() => {
  lines = [];
  nowMs = 0;
  requests = new RequestLines({ sink: { push: (line) => lines.push(line) }, wallMs: () => 7, nowMs: () => nowMs });
});

const request = (more: Partial<EndedRequest> = {}, handler = 'one'): EndedRequest => ({
  source: { handlerId: handlerIdOf(handler), deployment: 3, invocation: 'i-1', preview: 'branch' },
  ...{ settings: undefined, seq: 4, method: 'GET', target: '/a?b=1', status: 200, outcome: 'ok' },
  ...{ durationMs: 12.3456, gas: 500, bytesIn: 0, bytesOut: 42 },
  ...more,
});

/** Returns how many requests the lines tell of. */
const told = () =>
  lines.reduce(
    (sum, { fields }) => sum + Number((JSON.parse(fields ?? '{}') as { requests?: number }).requests ?? 1),
    0,
  );

describe('a line for each request', () => {
  it('says what was asked, what came of it, and what it took', () => {
    requests.add(request());
    expect(lines).toEqual([
      {
        ...{ handlerId: 'one', deployment: 3, invocation: 'i-1', preview: 'branch', seq: 4, timeMs: 7, gas: 500 },
        ...{ stream: 'request', level: 6, status: 200 },
        text: 'GET /a?b=1 200 in 12.35 ms, 500 gas, 42 bytes',
        fields: '{"method":"GET","path":"/a?b=1","outcome":"ok","durationMs":12.35,"bytesIn":0,"bytesOut":42}',
      },
    ]);
    requests.add(request({ status: 500, outcome: 'trapped' }));
    expect(lines[1]).toMatchObject({ level: 1, text: expect.stringContaining(' 500 (trapped) in ') });
    requests.add(request({ status: 0, outcome: 'aborted' }));
    expect(lines[2]).not.toHaveProperty('status');
    requests.add(request({ settings: { enabled: false, mask: [] } }));
    expect(lines).toHaveLength(3);
  });

  it('of a busy handler is a sample, and the others are counted exactly; failures have a share of their own', () => {
    const { perSecond } = requestLineLimits;
    for (let n = 0; n < 5_000; n += 1) requests.add(request({ status: n % 2 === 0 ? 200 : 404 }));
    expect(lines).toHaveLength(perSecond);
    for (let n = 0; n < 300; n += 1) requests.add(request({ status: 503, outcome: 'overloaded' }));
    expect(lines).toHaveLength(2 * perSecond);
    requests.add(request({}, 'other'));
    nowMs = 1_000;
    requests.add(request());
    const sum = lines.find(({ text }) => text.includes('more requests'));
    expect(sum).toMatchObject({ invocation: '', stream: 'request', level: 6 });
    expect(sum?.text).toBe('4900 more requests within a second: 2400 with 200, 2400 with 404, 100 with 503');
    expect(told()).toBe(5_000 + 300 + 1 + 1);
  });

  it('none is lost at the end of the runner', () => {
    for (let n = 0; n < 1_000; n += 1) requests.add(request());
    requests.flush();
    expect(told()).toBe(1_000);
    requests.flush();
    expect(told()).toBe(1_000);
  });

  it('has a bounded length, however long the target', () => {
    requests.add(request({ target: `/${'x'.repeat(16_000)}` }));
    expect(lines[0]!.text.length).toBeLessThan(1_200);
  });
});

describe('secrets in a query', () => {
  const masked = (target: string) => maskTarget(target, defaultRequestLines.mask);

  it.each([
    ['/a', '/a'],
    ['/a?b=1&c=2', '/a?b=1&c=2'],
    ['/a?token=abc', '/a?token=***'],
    ['/a?b=1&ACCESS_TOKEN=abc&c=2', '/a?b=1&ACCESS_TOKEN=***&c=2'],
    ['/a?%74oken=abc', '/a?%74oken=***'],
    ['/a?api%5Fkey=abc;password=x=y', '/a?api%5Fkey=***;password=***'],
    ['/a?%E0%A4%A=abc', '/a?%E0%A4%A=***'],
    ['/a?X-Amz-Signature=abc', '/a?X-Amz-Signature=***'],
    ['/a?token', '/a?token'],
    ['/a?b=1?secret=x', '/a?b=***'],
    ['/a?to=/cb%3Fx%3D1%26token%3Dabc&c=2', '/a?to=***&c=2'],
    ['/a?to=https%3A%2F%2Fh%2F%23access_token%3Dabc', '/a?to=***'],
    ['/a?to=%2Fb%3Fto%3D%252Fc%253Fcode%253Dabc', '/a?to=***'],
    ['/a?to=%zz%3Ftoken%3Dabc', '/a?to=***'],
    ['/a?to=/cb%3Fpage%3D1&token', '/a?to=/cb%3Fpage%3D1&token'],
    ['/a?q=what+is+a+token%3F', '/a?q=what+is+a+token%3F'],
    ['/a?q=token%3Dabc', '/a?q=***'],
  ])('%s is written as %s', (target, expected) => {
    expect(masked(target)).toBe(expected);
  });

  it.each([
    ['a parameter whose = is encoded', '/?token%3dabc', '/?***'],
    ['a form', '/?body=token%3Dabc', '/?body=***'],
    ['a form that is not encoded', '/?a=token=abc&b=1', '/?a=***&b=1'],
    ['two = behind the name', '/?a=token==abc', '/?a=***'],
    ['JSON', '/?d=%7B%22user%22%3A%7B%22apiKey%22%3A%22abc%22%7D%7D&e=2', '/?d=***&e=2'],
    ['JSON that is not encoded', '/?d={"password":"abc"}', '/?d=***'],
    ['JSON that says nothing secret', '/?d={"page":1}', '/?d={"page":1}'],
    ['a form in base64', '/?s=dG9rZW49YWJjJmE9MQ==', '/?s=***'],
    ['JSON in base64 for URLs', '/?s=eyJ0byI6Ii94P3kiLCJjc3JmVG9rZW4iOiJhPmI_YyJ9&t=1', '/?s=***&t=1'],
    ['a URL in base64, encoded once more', '/?s=L2NiP3Nlc3Npb249MTI%3D', '/?s=***'],
    ['base64 that says nothing secret', '/?s=cGFnZT0yJnNvcnQ9dXA=', '/?s=cGFnZT0yJnNvcnQ9dXA='],
    ['a random id', '/?id=Zm9vYmFyMTIzNDU2Nzg5&x=deadbeefdeadbeef', '/?id=Zm9vYmFyMTIzNDU2Nzg5&x=deadbeefdeadbeef'],
    ['a word without a value', '/?token&q=how+to+type+a+key', '/?token&q=how+to+type+a+key'],
  ])('within a value: %s', (_what, target, expected) => {
    expect(masked(target)).toBe(expected);
  });

  it('are those that the manifest names', () => {
    expect(maskTarget('/?card=1&token=2', ['card'])).toBe('/?card=***&token=2');
    expect(maskTarget('/?token=2', [])).toBe('/?token=2');
  });
});

it('a record has the path with the query as the line has it', () => {
  expect(recordedPath('', '/otter')).toBe('/');
  expect(recordedPath('/a', '/otter/a?b=1&token=x')).toBe('/a?b=1&token=***');
  expect(recordedPath('/a', '/a?token=x', { enabled: false, mask: [] })).toBe('/a?token=x');
  const { targetChars } = requestLineLimits;
  expect(recordedPath('/a', `/a?${'x'.repeat(targetChars)}`)).toBe(`/a?${'x'.repeat(targetChars - 1)}…`);
});
