/** Figures that the book gives for limits and settings are those of the code. */
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/bin/config.ts';
import { accountLimits } from '../../src/control/accounts/accounts.ts';
import { codeTryLimits } from '../../src/control/accounts/code-tries.ts';
import { inviteLimits } from '../../src/control/accounts/invites.ts';
import { tokenLimits } from '../../src/control/accounts/tokens.ts';
import { apiLimits } from '../../src/control/api/api.ts';
import { objectMemoryBytes } from '../../src/control/git/git-environment.ts';
import { envLimits } from '../../src/control/handlers/env.ts';
import { handlerLimits } from '../../src/control/handlers/handlers.ts';
import { recordLimits } from '../../src/control/usage/record-retention.ts';
import { caps } from '../../src/guest/wasm/format/caps.ts';
import {
  defaultLimits,
  KIB,
  kvLimits,
  limitKeyOf,
  limitNames,
  logLimits,
  MIB,
  maximumLimits,
  pushLimits,
  queueLimits,
  runnerLimits,
} from '../../src/protocol/limits.ts';
import { restLimits } from '../../src/runner/limits.ts';
import { textOf } from '../support/page-blocks.ts';

const units: Readonly<Record<string, number>> = { KiB: KIB, MiB: MIB, GiB: 1024 * MIB };

/** Returns the figures of a text: 1,000 and 4 MiB in bytes, without those of links and names. */
function figuresOf(text: string): readonly number[] {
  const prose = text.replace(/\]\([^)]*\)|`[^`]*`/g, '');
  return [...prose.matchAll(/(?<![\w.])(\d+(?:,\d{3})*(?:\.\d+)?)(?: (KiB|MiB|GiB))?(?!\w)/g)].map(
    ([, figure = '', unit = '']) => Number(figure.replaceAll(',', '')) * (units[unit] ?? 1),
  );
}

/** Returns the rows of the tables of a page: their cells. */
function rowsOf(page: string): readonly (readonly string[])[] {
  return [...textOf(page).matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split(' | '));
}

const s = 1_000;
/** What each row of docs/limits.md gives, by how it begins. */
const rows: Readonly<Record<string, readonly number[]>> = {
  'a module': [pushLimits.moduleBytes, pushLimits.largeModuleBytes],
  'files of a commit': [pushLimits.treeFiles, pushLimits.treeListBytes],
  'an object of a push': [objectMemoryBytes],
  'imports, exports, globals, types': [
    ...[caps.imports.limit, caps.exports.limit, caps.globals.limit, caps.mutableGlobals.limit, caps.types.limit],
  ],
  'values that an exception carries': [caps.tagValues.limit, caps.tags.limit],
  'data segments': [caps.dataSegments.limit, caps.elementSegments.limit, caps.elements.limit],
  'instances that take 5 ms': [restLimits.restFactor, restLimits.waitMs / s, 503],
  'calls in flight in one runner': [runnerLimits.inFlight, 503],
  'a log line': [logLimits.lineBytes],
  'log lines of one invocation': [logLimits.linesPerInvocation],
  'log lines kept per handler': [...kept(), recordLimits.retained],
  'a kv value': [kvLimits.valueBytes, kvLimits.keys, kvLimits.handlerBytes],
  'a queue message': [queueLimits.messageBytes, queueLimits.queues, queueLimits.messages],
  'handlers of one user': [handlerLimits.live, handlerLimits.total],
  'variables of one handler': [envLimits.variables, envLimits.valueBytes, envLimits.totalBytes],
  'tokens and open invites': [tokenLimits.perUser, inviteLimits.open],
  'failed log-ins': [
    ...[accountLimits.logInByName.burst, accountLimits.logInByAddress.burst],
    ...[accountLimits.logInByName.everyMs / s, accountLimits.logInFromKnown.burst],
  ],
  'sign-ups from one address': [accountLimits.signUpByAddress.burst, accountLimits.signUpByAddress.everyMs / s],
  'wrong codes': [codeTryLimits.burst, codeTryLimits.everyMs / (60 * s)],
  'requests to the API': [apiLimits.perUser],
};

function kept(): readonly number[] {
  const { logDays, logBytes } = readConfig({});
  return [logDays, logBytes];
}

describe('docs/limits.md', () => {
  it.each(Object.entries(rows))('%s: the figures of the code', (begin, figures) => {
    const found = rowsOf('docs/limits.md').filter(([name = '']) => name.startsWith(begin));
    expect(found.map(([, text = '']) => figuresOf(text))).toEqual([figures]);
  });
});

describe('docs/manifest.md', () => {
  it.each(limitNames)('%s: default and maximum', (name) => {
    const [, standard = '', most = ''] =
      rowsOf('docs/manifest.md').find(([key]) => key === `\`limits.${limitKeyOf(name)}\``) ?? [];
    expect(figuresOf(standard)[0]).toBe(defaultLimits[name]);
    expect(figuresOf(most)).toEqual([maximumLimits[name]]);
  });
});

describe('docs/operations.md', () => {
  const config = readConfig({});
  const settings = {
    TRISIEL_HOST: config.host,
    TRISIEL_PORT: config.port,
    TRISIEL_RUN_PORT: config.runPort,
    TRISIEL_REGISTRATION: config.registration,
    TRISIEL_DOMAIN: config.domain,
    TRISIEL_QUOTA_BYTES: config.quotaBytes,
    TRISIEL_GRACE_S: config.graceS,
  };
  it.each(Object.entries(settings))('%s: the default', (name, value) => {
    const [, shown = ''] = rowsOf('docs/operations.md').find(([key]) => key === `\`${name}\``) ?? [];
    const text = shown.replaceAll('`', '');
    expect(typeof value === 'number' ? figuresOf(text)[0] : text).toBe(value);
  });
});
