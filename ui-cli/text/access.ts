/** Formats Tokens, invites, collaborators, transfers and users. */
import type { AccountView, CollaboratorView, InviteView, TokenView, TransferView } from '../../src/protocol/views.ts';
import { formatAgo, formatBytes, formatDate } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function tokenTable(tokens: readonly TokenView[], nowMs: number): string[] {
  return table(
    ['ID', 'LABEL', 'SCOPE', 'HANDLER', 'CREATED', 'LAST USED', 'ENDS'].map((title) => ({ title })),
    tokens.map((token) => tokenCells(token, nowMs)),
  );
}

/** Returns the cells ID, LABEL, SCOPE, HANDLER, CREATED, LAST USED, ENDS. */
export function tokenCells(token: TokenView, nowMs: number): string[] {
  return [
    visible(token.id),
    visible(token.label),
    token.scope,
    token.handler ?? 'all',
    formatAgo(token.createdMs, nowMs),
    token.lastUsedMs === null ? 'never' : formatAgo(token.lastUsedMs, nowMs),
    endText(token.expiresMs),
  ];
}

export function inviteTable(invites: readonly InviteView[], nowMs: number): string[] {
  return table(
    ['ID', 'CREATED', 'USES', 'ENDS', 'USED BY'].map((title) => ({ title })),
    invites.map((invite) => [
      invite.id,
      formatAgo(invite.createdMs, nowMs),
      `${invite.uses} of ${invite.usesMax}`,
      endText(invite.expiresMs),
      invite.usedBy.length === 0 ? '-' : visible(invite.usedBy.join(', ')),
    ]),
  );
}

export function teamTable(owner: string, collaborators: readonly CollaboratorView[], nowMs: number): string[] {
  return table(
    ['USER', 'ROLE', 'SINCE'].map((title) => ({ title })),
    [[owner, 'owner', ''], ...collaborators.map(({ user, role, addedMs }) => [user, role, formatAgo(addedMs, nowMs)])],
  );
}

export function transferTable(transfers: readonly TransferView[]): string[] {
  return table(
    ['HANDLER', 'FROM', 'LAPSES'].map((title) => ({ title })),
    transfers.map(({ handler, from, expiresMs }) => [handler, from, formatDate(expiresMs)]),
  );
}

export function accountTable(users: readonly AccountView[], nowMs: number): string[] {
  return table(
    ['USER', 'STATE', 'HANDLERS', 'STORED', 'CALLS', 'CODE', 'CREATED'].map((title) => ({ title })),
    users.map((user) => accountCells(user, nowMs)),
  );
}

/** Returns the cells USER, STATE, HANDLERS, STORED, CALLS, CODE, CREATED. */
export function accountCells(user: AccountView, nowMs: number): string[] {
  return [
    user.name,
    [...(user.admin ? ['admin'] : []), ...(user.suspendedMs === null ? [] : ['suspended'])].join(' ') || '-',
    limited(String(user.handlers), user.handlersMax?.toString()),
    limited(formatBytes(user.usedBytes), user.quotaBytes === null ? undefined : formatBytes(user.quotaBytes)),
    user.callsMax === null ? '-' : `at most ${user.callsMax}`,
    user.secondFactor ? 'yes' : 'no',
    formatAgo(user.createdMs, nowMs),
  ];
}

function limited(used: string, max: string | undefined): string {
  return max === undefined ? used : `${used} of ${max}`;
}

function endText(expiresMs: number | null): string {
  return expiresMs === null ? 'never' : formatDate(expiresMs);
}
