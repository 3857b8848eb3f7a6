/** Lists that the jump line offers. Each loads lines, and ends with the command that changes its subject. */
import type { App } from '../../frame/app.ts';
import { inviteTable } from '../../text/access.ts';
import { auditTable } from '../../text/audit.ts';
import { settingsLines } from '../../text/settings.ts';
import type { RecordsOptions } from './records-screen.ts';

export interface Place {
  readonly name: string;
  readonly help: string;
  readonly records: RecordsOptions;
}

/** Entries of the audit that a screen loads. */
const entries = 100;

/** Returns the lists of the account and, for administrators, of the platform. */
export function accountPlaces(app: App): readonly Place[] {
  const client = () => app.client;
  return [
    place('invites', 'codes for new accounts', async (signal) => [
      ...inviteTable(await client().accounts.invites({ signal }), Date.now()),
      ...hint('wasmcloud invites create'),
    ]),
    place('audit', 'who did what on the platform (administrators)', async (signal) =>
      auditTable((await client().accounts.audit(null, { limit: entries }, { signal })).entries),
    ),
  ];
}

/** Returns the lists of one handler. */
export function handlerPlaces(app: App, handler: string): readonly Place[] {
  const client = () => app.client;
  return [
    place(`${handler} settings`, 'what is set without a push', async (signal) => {
      const { settings, deployBranch } = await client().handler(handler, { signal });
      return [
        `deploy branch: ${deployBranch ?? 'that of the first push'}`,
        ...settingsLines(settings),
        ...hint(`wasmcloud limits ${handler}`, `policy ${handler}`, `branch ${handler} BRANCH`),
      ];
    }),
  ];
}

/** Returns the audit of one handler. */
export function handlerAudit(app: App, handler: string): RecordsOptions {
  return {
    crumbs: ['audit'],
    load: async (signal) =>
      auditTable((await app.client.accounts.audit(handler, { limit: entries }, { signal })).entries),
  };
}

function place(name: string, help: string, load: RecordsOptions['load']): Place {
  return { name, help, records: { crumbs: name.split(' '), load } };
}

function hint(...commands: readonly string[]): readonly string[] {
  return ['', `change it: ${commands.join(' · ')}`];
}
