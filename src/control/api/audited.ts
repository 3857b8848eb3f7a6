/** Decides which facts of an operation go into the audit, and writes them. */
import { PlatformError } from '../../protocol/errors.ts';
import type { OperationId } from '../../protocol/permissions.ts';
import type { AuditEvent, AuditLog } from '../audit/audit-log.ts';
import type { Handlers } from '../handlers/handlers.ts';
import type { Caller, Operation } from './operation.ts';

/**
 * Operations that change something and write no entry. A message is data: it records its own time, and a queue may get
 * thousands a second.
 */
const unaudited: ReadonlySet<OperationId> = new Set<OperationId>(['publish']);

/**
 * Fields of bodies and queries that an entry repeats. All others are left out: an entry must not contain a password, a
 * code or a variable's value, and a field that a later version adds may be one.
 */
const told: ReadonlySet<string> = new Set([
  ...[
    'admin',
    'branch',
    'bytes',
    'callsMax',
    'days',
    'deployBranch',
    'domain',
    'endSessions',
    'expiresInDays',
    'handler',
    'handlersMax',
    'id',
  ],
  ...[
    'label',
    'limits',
    'name',
    'number',
    'percent',
    'policy',
    'previews',
    'purge',
    'quotaBytes',
    'role',
    'scope',
    'secondFactor',
  ],
  ...['state', 'suspended', 'to', 'uses'],
]);

/** Returns whether a successful call of the operation writes an entry. */
export function isAudited({ id, method }: Pick<Operation, 'id' | 'method'>): boolean {
  return method !== 'GET' && !unaudited.has(id);
}

export interface AuditedCall {
  readonly operation: Pick<Operation, 'id' | 'method' | 'path'>;
  readonly caller: Caller | null;
  readonly address: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  /** Handler that the operation changed; null: the call names none. */
  readonly handler: { readonly id: string; readonly name: string } | null;
}

/** Writes the entry of a successful operation. Rejects when it cannot be stored. */
export async function auditDone(
  { audit, handlers }: { readonly audit: Pick<AuditLog, 'write'>; readonly handlers: Pick<Handlers, 'find'> },
  call: AuditedCall,
  result: unknown,
): Promise<void> {
  if (!isAudited(call.operation)) return;
  // For a sign-up and a log-in the result names the user; for operations that make or take over a handler it names the
  // handler. Who declines one is no member, so the call has named none.
  const user = call.caller?.user ?? fieldOf<AuditEvent['user']>(result, 'user');
  if (user === undefined) throw new Error(`${call.operation.id} does not say who did it`);
  const offered = call.operation.path.startsWith('/transfers/') ? call.params.name : undefined;
  const name = fieldOf<{ readonly name: string }>(result, 'handler')?.name ?? offered;
  const handler = call.handler ?? (name === undefined ? null : await handlers.find(name));
  await audit.write(eventOf(call, { user, handler, outcome: 'ok' }));
}

/** Writes the entry of an operation that failed and may have changed something before. */
export async function auditFailed(
  { audit }: { readonly audit: Pick<AuditLog, 'write'> },
  call: AuditedCall,
  error: unknown,
): Promise<void> {
  const code = error instanceof PlatformError ? error.code : 'internal';
  const isRefusal = error instanceof PlatformError && error.status < 500 && code !== 'vet_failed';
  if (!isAudited(call.operation) || call.caller === null || isRefusal) return;
  await audit.write(eventOf(call, { user: call.caller.user, handler: call.handler, outcome: code }));
}

function eventOf(
  { operation, caller, address, params, query, body, handler: named }: AuditedCall,
  { user, handler, outcome }: Pick<AuditEvent, 'user' | 'handler' | 'outcome'>,
): AuditEvent {
  const { name, ...others } = params;
  const asked = Object.entries({ ...asObject(query), ...asObject(body) }).filter(([key]) => told.has(key));
  const detail = { ...(named === null && name !== undefined ? { name } : {}), ...others, ...Object.fromEntries(asked) };
  return { user, tokenId: caller?.tokenId ?? null, address, operation: operation.id, handler, detail, outcome };
}

function fieldOf<T>(value: unknown, field: string): T | undefined {
  return (asObject(value) as Readonly<Record<string, T | undefined>>)[field]; // callers name the field's type
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}
