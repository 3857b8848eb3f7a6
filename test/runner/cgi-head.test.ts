import { describe, expect, it } from 'vitest';
import { runnerLimits } from '../../src/protocol/limits.ts';
import { CgiHeadParser } from '../../src/runner/cgi-head.ts';

const parse = (output: string, isComplete = true) =>
  new CgiHeadParser().parse(Buffer.from(output, 'latin1'), output.length, isComplete);

describe('the header block of a CGI answer', () => {
  it('is read with \\n and with \\r\\n, mixed too', () => {
    for (const output of [
      'Content-Type: text/html\nX-A: 1\n\nbody',
      'Content-Type: text/html\r\nX-A: 1\r\n\r\nbody',
      'Content-Type: text/html\r\nX-A: 1\n\r\nbody',
      'Content-Type: text/html\nX-A: 1\r\n\nbody',
    ]) {
      expect(parse(output)).toMatchObject({
        kind: 'head',
        status: 200,
        headers: ['Content-Type', 'text/html', 'X-A', '1'],
        bodyStart: output.indexOf('body'),
      });
    }
  });

  it('sets status and reason', () => {
    expect(parse('Status: 404 Nothing here\nX-A: b\n\n')).toMatchObject({ status: 404, reason: 'Nothing here' });
    expect(parse('status:201\nX-A: b\n\n')).toMatchObject({ status: 201, reason: '' });
  });

  it('keeps several Set-Cookie lines apart and in order', () => {
    expect(parse('Set-Cookie: a=1\nSet-Cookie: b=2\n\n')).toMatchObject({
      headers: ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
    });
  });

  it('keeps bytes above 0x7f as they are, non-breaking space at the edge included', () => {
    expect(parse('X-A: \xe9\xa0\n\n')).toMatchObject({ headers: ['X-A', '\xe9\xa0'] });
  });

  it('makes a redirect of Location alone: local for a path, 302 for everything else', () => {
    expect(parse('Location: /other?x=1\n\n')).toMatchObject({ localRedirect: '/other?x=1' });
    expect(parse('Location: https://example.com/\n\n')).toMatchObject({ localRedirect: null, status: 302 });
    expect(parse('Location: //example.com/\n\n')).toMatchObject({ localRedirect: null, status: 302 });
    expect(parse('Location: /other\nSet-Cookie: a=1\n\n')).toMatchObject({ localRedirect: null, status: 302 });
    expect(parse('Status: 307\nLocation: /other\n\n')).toMatchObject({ localRedirect: null, status: 307 });
  });

  it('passes over interim answers and takes the final one', () => {
    const output = 'Status: 103 Early Hints\nLink: </a.css>\n\nStatus: 201\nX-A: 1\n\nbody';
    expect(parse(output)).toMatchObject({ status: 201, headers: ['X-A', '1'], bodyStart: output.indexOf('body') });
    expect(parse('Status: 100\n\nno header')).toMatchObject({ kind: 'bad' });
  });

  it('drops what is the server’s own to say', () => {
    expect(
      parse('Connection: close\nTransfer-Encoding: chunked\nKeep-Alive: x\nTrisiel-Invocation: x\nX-A: 1\n\n'),
    ).toMatchObject({ headers: ['X-A', '1'] });
  });

  it('is absent where the output does not start with a header line', () => {
    for (const output of [
      '',
      'Hello, world!\n',
      'hello',
      '\n\nX: 1\n',
      ':x\n\n',
      '<html>a: b',
      'two words: x\n\n',
      '12:30:45\n',
      '7: x\n\n',
      'https://example.com/\n\n',
      'x'.repeat(70_000),
    ]) {
      expect(parse(output)).toEqual({ kind: 'plain' });
    }
    expect(parse('hello', false)).toEqual({ kind: 'more' });
    for (const begun of ['https:', 'https:/']) expect(parse(begun, false), begun).toEqual({ kind: 'more' });
    expect(parse('A:\n\n')).toMatchObject({ kind: 'head', headers: ['A', ''] });
    expect(parse('x'.repeat(300), false)).toEqual({ kind: 'plain' });
  });

  it('is refused with a reason where it is malformed', () => {
    const bad = {
      'no empty line': 'X-A: 1\nbody',
      'only one line': 'X-A: 1',
      'a later line without a colon': 'X-A: 1\nhello there\n\n',
      'a folded line': 'X-A: 1\n more\n\n',
      'a space before the colon': 'X-A: 1\nX-B : 2\n\n',
      'a carriage return inside (header injection)': 'X-A: a\rSet-Cookie: b=1\n\n',
      'a NUL': 'X-A: a\0b\n\n',
      'a status that is no number': 'Status: fine\n\n',
      'a status out of range': 'Status: 600\n\n',
      'status 42': 'Status: 042\n\n',
      'two statuses': 'Status: 200\nStatus: 404\n\n',
      'two lengths': 'Content-Length: 1\nContent-Length: 1\n\n',
      'a length that is none': 'Content-Length: -1\n\n',
      'two types': 'Content-Type: a/b\nContent-Type: c/d\n\n',
      'an empty Location': 'Location:\n\n',
    };
    for (const [what, output] of Object.entries(bad)) expect(parse(output), what).toMatchObject({ kind: 'bad' });
  });

  it('has a largest size, ended or not', () => {
    const line = `X-A: ${'a'.repeat(1000)}\n`;
    const lines = line.repeat(Math.ceil(runnerLimits.headerBytes / line.length) + 1);
    expect(parse(lines, false)).toMatchObject({ kind: 'bad' });
    expect(parse(`${lines}\n`)).toMatchObject({ kind: 'bad' });
    expect(parse(`${line.repeat(10)}\n`)).toMatchObject({ kind: 'head' });
    // Interim answers count, also where the final head would be small.
    expect(parse(`${'Status: 100\n\n'.repeat(10_000)}A: b\n\nbody`)).toMatchObject({
      kind: 'bad',
      message: expect.stringContaining('larger than'),
    });
  });

  it('is decided alike however its bytes arrive', () => {
    for (const output of [
      'Status: 103\nA: b\n\nX-A: 1\r\nX-B: 2\r\n\r\nbody\n\n',
      'A: b\n\r\n\r\n',
      'plain\n\ntext',
      'A: b\n\n\n',
    ]) {
      const whole = parse(output);
      const parser = new CgiHeadParser();
      let decided: unknown = null;
      for (let end = 0; end <= output.length && decided === null; end++) {
        const head = parser.parse(Buffer.from(output, 'latin1'), end, end === output.length);
        if (head.kind !== 'more') decided = head;
      }
      expect(decided).toEqual(whole);
    }
  });
});
