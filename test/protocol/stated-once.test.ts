/** Lists that several parts need are written down in one place; a second copy in the code would go out of date. */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type NetworkProtocol, networkProtocols, schemeNames } from '../../src/guest/kernel/net/target.ts';
import { limitKeys, limitNames } from '../../src/protocol/limits.ts';
import { abiNames, logLevelNames, policyLists } from '../../src/protocol/nouns.ts';
import { programVersion } from '../../src/protocol/program-version.ts';

const sources = globSync('{src,ui-cli,hooks}/**/*.{ts,tsx}').map((file) => ({
  file,
  code: readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|(^|[^:])\/\/.*/g, '$1'),
}));

/** Files in whose code at least `count` of `words` stand within `near` characters, each as a string or a key. */
function copies(words: readonly string[], count: number, near = 160): readonly string[] {
  const word = new RegExp(
    `(?<![\\w-])(?:${words.map((text) => text.replace(/[+]/g, '\\+')).join('|')})(?=['"]|:(?!\\w))`,
    'g',
  );
  return sources
    .filter(({ code }) => {
      const found = [...code.matchAll(word)].map((match) => ({ at: match.index, text: match[0] }));
      return found.some(
        ({ at }) =>
          new Set(found.filter((one) => one.at >= at && one.at - at < near).map((one) => one.text)).size >= count,
      );
    })
    .map(({ file }) => file);
}

describe('stated once', () => {
  it('the names of the ABIs', () => {
    // Entry points belong to ABIs: that table pairs names, it does not list them.
    const named = copies(abiNames, 3).filter((file) => file !== 'src/guest/wasm/inspect/entry.ts');
    expect(named).toEqual(['src/protocol/nouns.ts']);
  });

  it('the names of network schemes', () => {
    const names = (Object.keys(networkProtocols) as NetworkProtocol[]).flatMap(schemeNames);
    expect(copies(names, 4, 400)).toEqual(['src/guest/kernel/net/target.ts']);
  });

  it('the limits and their keys', () => {
    expect(copies(limitNames, limitNames.length, 1_000)).toEqual(['src/protocol/limits.ts']);
    expect(copies(limitKeys, 3, 1_000)).toEqual(['src/protocol/limits.ts']);
  });

  it('the lists of a policy', () => {
    // What each list means is said where it is decided, and how an owner's additions are laid over the manifest's.
    const decided = ['src/guest/kernel/policy.ts', 'src/control/handlers/settings.ts', 'ui-cli/commands/settings.ts'];
    const named = copies(policyLists, policyLists.length).filter((file) => !decided.includes(file));
    expect(named).toEqual(['src/protocol/nouns.ts']);
  });

  it('the version of the program, which is that of the package', () => {
    expect(programVersion).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
    const word = new RegExp(`(?<![\\d.])${programVersion.replaceAll('.', '\\.')}(?![\\d.-])`);
    const named = sources.filter(({ code }) => word.test(code)).map(({ file }) => file);
    expect(named).toEqual(['src/protocol/program-version.ts']);
  });

  it('the numbers of log levels', () => {
    expect(logLevelNames).toEqual(['error', 'warning', 'info']);
    const bare = sources.filter(({ code }) => /\.log\(\d|\blevel: \d|line\.level (?:===|<=?|>=?) \d/.test(code));
    expect(bare.map(({ file }) => file)).toEqual([]);
  });
});

it('a variable that holds a Process is never called process, which is Node’s own', () => {
  const shadowing = sources.filter(({ code }) =>
    /(?<![.\w])#?process\??: Process\b|\b(?:const|let) process =/.test(code),
  );
  expect(shadowing.map(({ file }) => file)).toEqual([]);
});
