/**
 * Decides who may do what, by one table of operations that the API, the git door and the log stream share. An operation
 * that is not in the table cannot be written: its id is a key of the table.
 */
import { type HandlerRole, handlerRoles, type TokenScope, tokenScopes, type User } from './nouns.ts';

/** Rule for operations on one handler: the least role and the least scope that are required. */
interface HandlerRule {
  readonly on: 'handler';
  readonly role: HandlerRole;
  readonly scope: TokenScope;
}

/** Rule for operations on the caller's own account. `bound`: also allowed with a Token that is bound to one handler. */
interface AccountRule {
  readonly on: 'account';
  readonly scope: TokenScope;
  readonly bound: boolean;
}

/** Rule for operations on the platform, which administrators may do. */
interface PlatformRule {
  readonly on: 'platform';
  readonly scope: TokenScope;
}

/** Rule for operations that need no Token. */
interface OpenRule {
  readonly on: 'nothing';
}

export type Rule = HandlerRule | AccountRule | PlatformRule | OpenRule;

const viewer = { on: 'handler', role: 'viewer', scope: 'read' } as const;
const deployer = { on: 'handler', role: 'deployer', scope: 'deploy' } as const;
const owner = { on: 'handler', role: 'owner', scope: 'full' } as const;
const account = { on: 'account', scope: 'full', bound: false } as const;
const ownFigures = { on: 'account', scope: 'read', bound: false } as const;
const anyToken = { on: 'account', scope: 'read', bound: true } as const;
const admin = { on: 'platform', scope: 'full' } as const;
const anyone = { on: 'nothing' } as const;

export const permissions = {
  signUp: anyone,
  logIn: anyone,

  whoAmI: anyToken,
  logOut: anyToken,
  changePassword: account,
  startSecondFactor: account,
  confirmSecondFactor: account,
  removeSecondFactor: account,
  listTokens: account,
  createToken: account,
  revokeToken: account,
  listInvites: account,
  createInvite: account,
  deleteInvite: account,
  /** A Token bound to one handler lists that handler only. */
  listHandlers: anyToken,
  createHandler: { on: 'account', scope: 'deploy', bound: false },
  /** Creates a handler by a push to a name that is free. */
  gitCreate: { on: 'account', scope: 'deploy', bound: false },
  listUsage: ownFigures,
  /** Queues belong to a user, not to a handler. */
  listQueues: ownFigures,
  showQueue: ownFigures,
  readQueue: ownFigures,
  exportQueue: ownFigures,
  publish: { on: 'account', scope: 'deploy', bound: false },
  putQueue: account,
  pauseQueue: account,
  resumeQueue: account,
  retryQueue: account,
  purgeQueue: account,
  deleteQueue: account,

  getHandler: viewer,
  listDeployments: viewer,
  listPreviews: viewer,
  getPreview: viewer,
  getRollout: viewer,
  queryLogs: viewer,
  exportLogs: viewer,
  streamLogs: viewer,
  getLogRetention: viewer,
  listInvocations: viewer,
  getInvocation: viewer,
  exportInvocations: viewer,
  getUsage: viewer,
  gitFetch: viewer,
  listVariables: viewer,
  getVariable: viewer,

  gitPush: deployer,
  rollBack: deployer,
  deletePreview: deployer,
  putRollout: deployer,
  finishRollout: deployer,
  abortRollout: deployer,
  setVariable: deployer,
  removeVariable: deployer,

  listDomains: viewer,
  getDomain: viewer,
  checkDomain: deployer,
  addDomain: owner,
  removeDomain: owner,

  cancelInvocation: deployer,
  /** Makes calls slower meanwhile. */
  takeProfile: deployer,
  listCalls: viewer,
  cancelCall: deployer,
  retryCall: deployer,
  listSchedules: viewer,
  runSchedule: deployer,
  pauseSchedule: deployer,
  resumeSchedule: deployer,

  /** Members of the team see how drains fare; who sets one sends the log away. */
  listDrains: viewer,
  putDrain: owner,
  deleteDrain: owner,

  listCollaborators: viewer,
  getCollaborator: viewer,
  setCollaborator: owner,
  removeCollaborator: owner,
  leaveHandler: { on: 'handler', role: 'viewer', scope: 'full' },
  offerTransfer: owner,
  getTransfer: viewer,
  withdrawTransfer: owner,
  listTransfers: ownFigures,
  acceptTransfer: account,
  declineTransfer: account,

  /** Owner only: audit entries show addresses of the team's members. */
  listHandlerAudit: { on: 'handler', role: 'owner', scope: 'read' },
  exportHandlerAudit: { on: 'handler', role: 'owner', scope: 'read' },

  changeHandler: owner,
  setLogRetention: owner,
  deleteHandler: owner,
  restoreHandler: owner,

  listServerDrains: admin,
  putServerDrain: admin,
  deleteServerDrain: admin,
  listUsers: admin,
  getUser: admin,
  changeUser: admin,
  deleteUser: admin,
  listNodes: { on: 'platform', scope: 'read' },
  addNode: admin,
  drainNode: admin,
  removeNode: admin,
  listAudit: { on: 'platform', scope: 'read' },
  exportAudit: { on: 'platform', scope: 'read' },
} as const satisfies Readonly<Record<string, Rule>>;

export type OperationId = keyof typeof permissions;

/** Ids of the operations whose rule has `on: On`. */
export type OperationOn<On extends Rule['on']> = {
  [Id in OperationId]: (typeof permissions)[Id] extends { readonly on: On } ? Id : never;
}[OperationId];

/** Who calls, with the rights of the credentials used. */
export interface Actor {
  readonly user: User;
  readonly isAdmin: boolean;
  /** Id of the Token; null: the actor gave a name and a password. */
  readonly tokenId: string | null;
  readonly scope: TokenScope;
  /** Id of the only handler that the Token is valid for; null: every handler of its user. */
  readonly boundTo: string | null;
  /** Unix milliseconds at which the Token ends; null: never. */
  readonly expiresMs: number | null;
}

/** Facts about a handler that the decision needs. */
export interface Guarded {
  readonly id: string;
  /** Role of the actor on the handler; null: none. */
  readonly role: HandlerRole | null;
  readonly isOwnerSuspended: boolean;
}

/**
 * Reason for which an operation is refused. `hidden`: the actor may not know that the handler exists.
 * `owner_suspended`: handlers of a suspended user do not change.
 */
export type Denial = 'hidden' | 'scope' | 'bound' | 'role' | 'admin' | 'owner_suspended';

type ActorRights = Pick<Actor, 'scope' | 'boundTo' | 'isAdmin'>;

/** Decides about an operation on the account or the platform. Returns null where it is allowed. */
export function denialFor(
  operation: OperationOn<'account' | 'platform' | 'nothing'>,
  actor: ActorRights,
): Denial | null {
  const rule: Exclude<Rule, HandlerRule> = permissions[operation];
  if (rule.on === 'nothing') return null;
  // A Token for one handler says nothing about whether the rest exists.
  if (actor.boundTo !== null && !(rule.on === 'account' && rule.bound)) return 'bound';
  if (rule.on === 'platform' && !actor.isAdmin) return 'admin';
  return includes(tokenScopes, actor.scope, rule.scope) ? null : 'scope';
}

/** Decides about an operation on a handler. Returns null where it is allowed. */
export function denialOn(operation: OperationOn<'handler'>, actor: ActorRights, handler: Guarded): Denial | null {
  const rule: HandlerRule = permissions[operation];
  if (handler.role === null) return 'hidden';
  if (actor.boundTo !== null && actor.boundTo !== handler.id) return 'hidden';
  if (!roleAllows(operation, handler.role)) return 'role';
  if (!includes(tokenScopes, actor.scope, rule.scope)) return 'scope';
  return handler.isOwnerSuspended && rule.scope !== 'read' ? 'owner_suspended' : null;
}

/** Returns whether a role suffices for an operation on a handler. The scope of a Token may still forbid it. */
export function roleAllows(operation: OperationOn<'handler'>, role: HandlerRole): boolean {
  const rule: HandlerRule = permissions[operation];
  return includes(handlerRoles, role, rule.role);
}

/** Returns whether `has` equals `needs` or comes after it in `order`. */
function includes<T>(order: readonly T[], has: T, needs: T): boolean {
  return order.indexOf(has) >= order.indexOf(needs);
}
