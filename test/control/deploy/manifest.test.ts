import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readManifest } from '../../../src/control/deploy/manifest.ts';
import { matchingCost } from '../../../src/control/deploy/pattern-cost.ts';
import { TomlLines } from '../../../src/control/deploy/toml-lines.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

function read(toml: string | null, olin: string | null = null) {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  return readManifest({ toml: bytes(toml), olin: bytes(olin) });
}

function errorOf(toml: string | null, olin: string | null = null): PlatformError {
  try {
    read(toml, olin);
  } catch (error) {
    if (error instanceof PlatformError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('wasmcloud.toml', () => {
  it('is not needed', () => {
    expect(read(null)).toMatchObject({
      module: null,
      abi: 'auto',
      limits: { memoryPages: 2048, gas: 1_000_000_000, timeoutMs: 30_000, bodyBytes: 10_485_760 },
      policy: null,
      env: {},
      filesRoot: null,
      exactMemory: false,
      passAuthorization: false,
    });
  });

  it('takes every key of the contract', () => {
    const manifest = read(`
module = "dist/hello.wasm"
abi = "cwa"
[limits]
memory-pages = 100
gas = 1_000_000_000
timeout-ms = 30_000
body-bytes = 10_485_760
exact-memory = true
[policy]
allow = ["^https://api\\\\.example\\\\.com/"]
disallow = ["^https://api\\\\.example\\\\.com/admin"]
[env]
GREETING = "hello"
[files]
root = "./public/"
[logs]
mask = ["Card"]
`);
    expect(manifest).toMatchObject({
      module: 'dist/hello.wasm',
      abi: 'cwa',
      limits: { memoryPages: 100, gas: 1_000_000_000, timeoutMs: 30_000, bodyBytes: 10_485_760 },
      exactMemory: true,
      requestLines: { enabled: true, mask: ['card'] },
      policy: { allow: ['^https://api\\.example\\.com/'], disallow: ['^https://api\\.example\\.com/admin'] },
      env: { GREETING: 'hello' },
      filesRoot: 'public',
    });
  });

  it.each([
    ['unheard = 1', 'line 1: unknown key unheard'],
    ['[limits]\nunheard = 1', 'line 2: unknown key limits.unheard'],
    ['[policy]\nunheard = []', 'line 2: unknown key policy.unheard'],
    ['[files]\nroot = "public"\nunheard = 1', 'line 3: unknown key files.unheard'],
    ['[limits.gas]\nunheard = 1', 'line 1'],
    ['modul = "x"', 'line 1: unknown key modul'],
    ['\n\n[limit]\ngas = 1', 'line 3: unknown key limit'],
    ['[limits]\ngas = 0', 'line 2: limits.gas must be at least 1'],
    ['[limits]\ngas = 1.5', 'line 2: limits.gas must be a whole number'],
    ['[limits]\n"timeout-ms" = 900001', "line 2: limits.timeout-ms is above this server's maximum of 900000"],
    ['limits.exact-memory = 1', 'line 1: limits.exact-memory must be true or false'],
    ['limits.gas = "1"', 'line 1: limits.gas must be a whole number'],
    ['limits = { gas = true }', 'line 1: limits.gas must be a whole number'],
    ['limits = 5', 'line 1: limits must be a table: [limits]'],
    ['abi = "java"', 'line 1: abi must be one of auto, cwa'],
    ['module = "../x.wasm"', 'line 1: module must be a path inside the repository'],
    ['module = "/etc/passwd"', 'line 1: module must be a path inside'],
    ['[files]\nroot = "a/../../b"', 'line 2: files.root must be a path inside'],
    ['[files]', 'line 1: files.root must be a path'],
    ['[env]\nPORT = 80', 'line 2: env.PORT must be text in quotes'],
    ['[env]\n"a b" = "x"', 'line 2: env.a b cannot name a variable'],
    ['[env]\nA = "\\u0000"', 'line 2: env.A contains a NUL'],
    ['[policy]\nallow = "x"', 'line 2: policy.allow must be a list'],
    ['[policy]\nallow = ["a", 3]', 'line 2: policy.allow.1 must be a pattern'],
    ['[policy]\nallow = ["["]', 'line 2: "[" is no regular expression'],
    ['[placement]\nreplicas = 0', 'line 2: placement.replicas must be at least 1'],
    ['[placement]\nreplicas = 101', 'line 2: placement.replicas must be at most 100'],
    ['[placement]\nreplicas = "2"', 'line 2: placement.replicas must be a whole number'],
    ['[placement]\nzone = "eu"', 'line 2: unknown key placement.zone'],
    ['placement = 2', 'line 1: placement must be a table: [placement]'],
    ['[placement]\nlabels = ["eu"]', 'line 2: placement.labels must be a table'],
    ['[placement]\nlabels = { zone = 1 }', 'line 2: placement.labels.zone must be text in quotes'],
    ['[placement.labels]\nZone = "eu"', 'line 2: placement.labels.Zone cannot name a label'],
    ['[placement]\nlabels.zone = "eu-"', 'line 2: placement.labels.zone is no value of a label'],
    [
      `[placement]\nlabels = { ${Array.from({ length: 9 }, (_, n) => `l${n} = "x"`).join(', ')} }`,
      'line 2: placement.labels has more than 8 labels',
    ],
    ['authorization = 1', 'line 1: authorization must be true or false'],
    ['a = \n', 'line 1: '],
    ['[env]\nA = "x"\nA = "y"', 'line 3: '],
    ['__proto__ = 1', 'line 1: '],
  ])('names the line of what is wrong: %j', (toml, message) => {
    const error = errorOf(toml);
    expect(error.code).toBe('manifest_invalid');
    expect(error.message).toContain(`wasmcloud.toml, ${message}`);
  });

  it('tells all mistakes at once, and what would be right', () => {
    const error = errorOf('abi = "x"\n[limits]\nram = 1\ngas = -1\n');
    const all = [error.message, ...error.details].join('\n');
    expect(all).toContain('line 1: abi');
    expect(all).toContain('line 3: unknown key limits.ram');
    expect(all).toContain('line 4: limits.gas');
    expect(error.hints).toContain('[limits] knows memory-pages, gas, timeout-ms, body-bytes, exact-memory');
  });

  it('refuses bytes that are no text', () => {
    expect(() => readManifest({ toml: Buffer.from([0xff, 0xfe]), olin: null })).toThrow(/not UTF-8/);
  });

  it('keeps no more of a key than a manifest can use', () => {
    const long = Array(1_000).fill('a').join('.');
    const lines = new TomlLines(`module = "a.wasm"\n[${long}]\nb = 1\n[limits]\n${long} = 1\ngas = 1\n`);
    expect(lines.size).toBeLessThan(100);
    expect([lines.of(['module']), lines.of(['limits', 'gas'])]).toEqual([1, 6]);
  });

  it('never throws anything but its own error', () => {
    const piece = fc.constantFrom(
      '[',
      ']',
      '=',
      '"',
      "'",
      '{',
      '}',
      '.',
      ',',
      '\n',
      '#',
      'limits',
      'gas',
      'env',
      '1',
      '-',
      'true',
      '"""',
      '\\',
      '\0',
      'é',
      '[policy]\nallow = [',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(text, fc.option(text), (toml, olin) => {
        try {
          read(toml, olin);
        } catch (error) {
          expect(error).toBeInstanceOf(PlatformError);
          expect((error as PlatformError).code).toBe('manifest_invalid');
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('names the line of every key', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
    const entries = fc.uniqueArray(fc.record({ table: name, key: name }), {
      maxLength: 15,
      selector: ({ table, key }) => `${table}.${key}`,
    });
    fc.assert(
      fc.property(entries, (list) => {
        const tables = [...new Set(list.map(({ table }) => table))];
        const lines: string[] = [];
        const expected = new Map<string, number>();
        for (const table of tables) {
          lines.push('# a comment = 1', `[ ${table} ]`);
          for (const entry of list.filter((other) => other.table === table)) {
            lines.push(`  "${entry.key}" = """`, `${entry.key} = 2`, '"""');
            expected.set(JSON.stringify([table, entry.key]), lines.length - 2);
          }
        }
        const found = new TomlLines(lines.join('\n'));
        for (const [path, line] of expected) expect(found.of(JSON.parse(path))).toBe(line);
      }),
    );
  });
});

describe('handler.policy', () => {
  it("brings Olin's defaults, which the manifest may override", () => {
    const policy =
      '## comment\nallow (\n  ^https://tulpa.dev\n)\ndisallow (\n  ^https://tulpa.dev/admin\n)\nram-page-limit 64\n';
    expect(read(null, policy)).toMatchObject({
      policy: { allow: ['^https://tulpa.dev'], disallow: ['^https://tulpa.dev/admin'] },
      limits: { memoryPages: 64, gas: 33_554_432, timeoutMs: 30_000 },
    });
    expect(read('[limits]\ngas = 5\ntimeout-ms = 10', policy).limits).toMatchObject({ gas: 5, timeoutMs: 10 });
  });

  it('does not say the same thing as the manifest', () => {
    expect(errorOf('[limits]\nmemory-pages = 1', 'ram-page-limit 64').message).toContain('line 2: handler.policy says');
    expect(errorOf('[policy]\n', 'allow x').message).toContain('line 1: handler.policy says policy too');
  });

  it('names the line of what is wrong', () => {
    expect(errorOf(null, 'allow (\n').message).toMatch(/handler\.policy, line 1/);
    expect(errorOf(null, '\nram-page-limit many').message).toMatch(/handler\.policy, line 2/);
  });

  it('is checked for patterns that take too long', () => {
    expect(errorOf(null, 'allow (\n  ^(a+)+$\n)').message).toContain('handler.policy, line 2: the pattern "^(a+)+$"');
    expect(errorOf(null, 'allow (\n  .*a.*b.*c\n)').message).toContain('could take too long');
  });
});

describe('patterns of a policy', () => {
  it.each([
    '^https://api\\.example\\.com/',
    '^https://tulpa.dev/admin.*$',
    '^https?://([a-z0-9-]+\\.)?example\\.com(:[0-9]+)?/.*$',
    '^https://[^/]+\\.example\\.com(:[0-9]+)?/.*$',
    'random://',
    '^random://$',
    '^(https|wss)://(a|b|c)\\.example/',
    '^log://',
    '^kv://[a-z]{1,32}/',
    '^https://[^/]*\\.a\\.b/.*\\.json$',
  ])('takes %s', (source) => {
    const cost = matchingCost(source);
    expect(cost).toBeTypeOf('number');
    expect(cost).toBeLessThanOrEqual(2 ** 27);
  });

  it.each([
    '(a+)+$',
    '(a|a)*$',
    '(a|aa)+$',
    '([a-z]+)*@',
    '(?:a?){30}b',
    '(?=a)b',
    '(?<!a)b',
    '(a)\\1',
    '(?<n>a)\\k<n>',
  ])('refuses %s', (source) => {
    expect(matchingCost(source)).toMatchObject({ refused: expect.any(String) });
  });

  it.each(['.*a.*b.*c', 'a?'.repeat(30) + 'a'.repeat(30), '(a|b)'.repeat(40), '\\w*\\w*\\w*x'])(
    'finds %s too expensive',
    (source) => {
      expect(matchingCost(source)).toBeGreaterThan(2 ** 27);
    },
  );

  it('bounds what the engine really does: what is accepted ends in time on hostile input', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\.');
    const quantifier = fc.constantFrom('', '', '*', '+', '?', '{2,5}', '*?');
    const part = fc.tuple(atom, quantifier).map(([text, times]) => text + times);
    const group = fc
      .tuple(fc.array(part, { minLength: 1, maxLength: 3 }), quantifier)
      .map(([parts, times]) => `(${parts.join('')})${times}`);
    const source = fc
      .array(fc.oneof(part, group, fc.constant('|')), { maxLength: 8 })
      .map((parts) => `^${parts.join('')}$`);
    const url = fc.constantFrom(`${'a'.repeat(4_095)}!`, `${'ab'.repeat(2_047)}!`, 'b.'.repeat(2_000));
    fc.assert(
      fc.property(source, url, (pattern, text) => {
        const cost = matchingCost(pattern);
        if (typeof cost !== 'number' || cost > 2 ** 24) return;
        const before = process.cpuUsage();
        new RegExp(pattern, 'u').test(text);
        // 2^24 steps take some 50 ms of processor time; a bound that is wrong is wrong by factors of thousands.
        expect(process.cpuUsage(before).user).toBeLessThan(3_000_000);
      }),
      { numRuns: 500 },
    );
  });

  it('takes little processor time itself', () => {
    for (const source of [
      '(a?)?'.repeat(100),
      `${'('.repeat(200)}a${')?'.repeat(200)}`,
      '[a-z]?'.repeat(85),
      '(a|b)?'.repeat(85),
    ]) {
      const before = process.cpuUsage();
      matchingCost(source);
      expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
    }
  });

  it('reads every pattern that the engine accepts', () => {
    const token = fc.constantFrom(
      'a',
      '.',
      '*',
      '+',
      '?',
      '(',
      ')',
      '(?:',
      '(?<n>',
      '|',
      '[',
      ']',
      '[^',
      '\\',
      'd',
      '\\d',
      '{',
      '}',
      '1',
      ',',
      '^',
      '$',
      '\\b',
      '\\p{L}',
      '\\u{41}',
      '\\/',
      '-',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const source = tokens.join('');
        try {
          new RegExp(source, 'u');
        } catch {
          return;
        }
        const cost = matchingCost(source);
        expect(typeof cost === 'number' ? cost >= 0 : cost.refused !== '').toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
