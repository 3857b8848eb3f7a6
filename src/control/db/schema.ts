import type { Generated } from 'kysely';
import type { CallState, CollaboratorRole, HandlerKind, MessageState, TokenScope } from '../../protocol/nouns.ts';

/** The tables as Kysely sees them. Times are Unix milliseconds; ids are opaque text. */
export interface Schema {
  users: {
    id: string;
    name: string;
    password_hash: string;
    created_ms: number;
    /** 1 for an administrator, else 0. */
    is_admin: Generated<number>;
    /** Since when the user is suspended; null: not. */
    suspended_ms: number | null;
    /** Grows when password or second factor change and when the user is suspended: what is remembered of them ends. */
    credential_epoch: Generated<number>;
    /** Limits of this user; null: those of the platform. */
    handlers_max: number | null;
    quota_bytes: number | null;
    calls_max: number | null;
    /** Secret of the second factor, sealed (src/control/accounts/sealer.ts); null: there is none. */
    totp_sealed: string | null;
    /** When a code first proved that the user has the secret; null: the second factor is not asked for yet. */
    totp_confirmed_ms: number | null;
    /** Time step of the last code that was taken: each code is taken once. */
    totp_last_step: number | null;
  };
  /** Codes that stand for one code of the second factor each, once. SHA-256, hex. */
  recovery_codes: { user_id: string; hash: string };
  tokens: {
    id: string;
    user_id: string;
    /** SHA-256 of the Token, hex. */
    hash: string;
    label: string;
    created_ms: number;
    last_used_ms: number | null;
    revoked_ms: number | null;
    scope: Generated<TokenScope>;
    /** The one handler that it is good for; null: all of its user. */
    handler_id: string | null;
    /** From then on it is no longer in force; null: never. */
    expires_ms: number | null;
  };
  invites: {
    id: string;
    hash: string;
    created_by: string | null;
    created_ms: number;
    /** People who may sign up with it, and who have. */
    uses_max: number;
    uses: number;
    /** From then on nobody may sign up with it; null: never. */
    expires_ms: number | null;
  };
  invite_uses: { invite_id: string; user_id: string; used_ms: number };
  settings: { key: string; value: string };
  known_addresses: { user_id: string /** Hash of user and address. */; address: string; last_ms: number };
  handlers: {
    id: string;
    /** Unique for ever: a deleted handler keeps its name until it is purged. */
    name: string;
    owner_id: string;
    /** The first branch pushed, without refs/heads/. */
    deploy_branch: string | null;
    /** Number that the next Deployment gets, from 1. */
    next_number: number;
    created_ms: number;
    deleted_ms: number | null;
    /** HandlerSettings as JSON; null: nothing is set. */
    settings: string | null;
  };
  /** Users who work on a handler of somebody else. */
  collaborators: { handler_id: string; user_id: string; role: CollaboratorRole; added_ms: number };
  /** Handlers offered to another user, who has not accepted yet. */
  transfers: { handler_id: string; to_user: string; offered_ms: number };
  artifacts: {
    name: string;
    sha256: string;
    meter_version: number;
    original_bytes: number;
    bytes: number;
    /** VettedModule as JSON. */
    module: string;
    created_ms: number;
  };
  deployments: {
    id: string;
    handler_id: string;
    number: number;
    commit: string;
    ref: string;
    user_id: string;
    artifact: string;
    module_path: string;
    /** The effective manifest as JSON: limits, policy, env, files (src/control/deploy). */
    manifest: string;
    state: 'staged' | 'live' | 'retired' | 'failed';
    failure: string | null;
    vet_ms: number;
    created_ms: number;
    /** When it was retired or failed; null before that. */
    ended_ms: number | null;
    /** Branch whose preview it belongs to; '': the deploy branch. */
    branch: Generated<string>;
  };
  /** Previews of branches that are not the deploy branch. */
  previews: {
    /** Names its kv namespace; never given twice. */
    id: string;
    handler_id: string;
    branch: string;
    /** What stands for the branch in the label; unique among the handler's previews. */
    slug: string;
    /** Days without a call or a push after which it ends. */
    days: number;
    created_ms: number;
    pushed_ms: number;
  };
  /** Bytes that a handler stores, as last measured (src/control/quota). */
  stored_bytes: { handler_id: string; kind: HandlerKind; bytes: number };
  /** What a handler (branch '') or a branch preview serves now. */
  releases: { handler_id: string; branch: string; deployment_id: string; changed_ms: number };
  log_lines: {
    /** Given by src/control/logs in commit order, unique over all handlers. */
    cursor: number;
    handler_id: string;
    deployment: number;
    invocation: string;
    seq: number;
    time_ms: number;
    gas: number;
    stream: string;
    level: number;
    text: string;
    /** Slug of the preview that wrote it; '': none. */
    preview: Generated<string>;
  };
  invocations: {
    id: string;
    handler_id: string;
    deployment: number;
    started_ms: number;
    status: number;
    outcome: string;
    duration_ms: number;
    gas: number;
    /** InvocationRecord as JSON. */
    record: string;
  };
  /** Exact counters per handler, Deployment and minute. */
  usage: {
    handler_id: string;
    deployment: number;
    minute_ms: number;
    invocations: number;
    failures: number;
    gas: number;
    duration_ms: number;
    bytes_in: number;
    bytes_out: number;
  };
  /** Variables of a handler (branch '') and, laid over them, of its branches. `sealed`: AES-256-GCM, base64. */
  handler_env: { handler_id: string; branch: Generated<string>; key: string; sealed: string; updated_ms: number };
  kv: { handler_id: string; bucket: string; key: string; value: Uint8Array; updated_ms: number };
  /** Queues of users. */
  queues: {
    id: string;
    owner_id: string;
    name: string;
    /** 1: nothing of it is delivered. */
    is_paused: number;
    /** Of the message published last. */
    last_position: number;
    created_ms: number;
  };
  messages: {
    id: string;
    queue_id: string;
    /** Order within the queue, in which they were published. */
    position: number;
    state: MessageState;
    /**
     * `ready`: not delivered before it, 0 where it may be now. `inflight`: whoever has taken it must have settled or
     * extended it by then, or it is ready again.
     */
    due_ms: number;
    /** Deliveries that have begun. */
    attempts: number;
    body: Uint8Array;
    content_type: string | null;
    /** Messages of one group are delivered one after the other. */
    group_key: string | null;
    published_ms: number;
    /** Handler that it was last delivered to. */
    taken_by: string | null;
    /** Names the delivery that it is taken for. */
    taken_id: string | null;
    /** Why the last delivery failed. */
    reason: string | null;
    /** The Invocation that dealt with it last. */
    invocation: string | null;
    /** When it was done, or failed for good. */
    ended_ms: number | null;
  };
  /** Deduplication keys that have been used. */
  message_keys: { queue_id: string; key: string; message_id: string; expires_ms: number };
  /** Messages of a user and their bytes, kept exact in the transactions that change them. */
  message_totals: { owner_id: string; items: number; bytes: number };
  /** Queues that live Deployments consume; `settings` is a QueueSettings as JSON. */
  subscriptions: { handler_id: string; branch: Generated<string>; queue: string; settings: string };
  /** When live Deployments run; `settings` is a ScheduleSettings as JSON. */
  schedules: {
    handler_id: string;
    name: string;
    settings: string;
    /** 1: it does not tick. */
    is_paused: number;
    /** Since when `every` is counted. */
    anchor_ms: number;
    /** The next tick; null: there is none. */
    next_ms: number | null;
    /** The tick that was fired last; null: none. */
    last_ms: number | null;
  };
  /** Calls that the platform makes: ticks of schedules, asynchronous HTTP requests. */
  calls: {
    id: string;
    handler_id: string;
    /** Name of the schedule; null for a request. */
    schedule: string | null;
    /** The tick that it is for; null for a request, and for a run that somebody asked for. */
    tick_ms: number | null;
    state: CallState;
    /** As of `messages`. */
    due_ms: number;
    /** Deliveries that have begun. */
    attempts: number;
    /** Deliveries at most, where the function fails. */
    attempts_max: number;
    /** 1: runs of its schedule follow each other. */
    is_serial: number;
    /** CallRequest as JSON (src/protocol/call-request.ts). */
    request: string;
    body: Uint8Array;
    created_ms: number;
    started_ms: number | null;
    ended_ms: number | null;
    taken_id: string | null;
    /** The answer's status, its fields as a JSON list of pairs, its body; null: there is none. */
    status: number | null;
    fields: string | null;
    answer: Uint8Array | null;
    /** Why it failed or was skipped. */
    reason: string | null;
    invocation: string | null;
  };
  /** Rows and bytes of values that a handler stores, kept exact in the transactions that change them. */
  storage_totals: { handler_id: string; kind: 'kv' | `kv:${string}`; items: number; bytes: number };
  /** The audit (src/control/audit): rows are appended and, past their time, removed from the front; never changed. */
  audit_entries: {
    /** From 1, without gaps. */
    number: number;
    time_ms: number;
    user_id: string;
    user_name: string;
    token_id: string | null;
    address: string;
    operation: string;
    handler_id: string | null;
    /** Its name at that time. */
    handler: string | null;
    /** JSON. */
    detail: string;
    outcome: string;
    hash: string;
  };
  /** One row, id 1: the newest entry of the audit, and the newest of those removed by retention. */
  audit_chain: { id: number; last_number: number; last_hash: string; removed_number: number; removed_hash: string };
  /** Answers to requests with an Idempotency-Key (src/control/api/kept-answers.ts). */
  kept_answers: {
    user_id: string;
    key: string;
    /** SHA-256 of the request, hex: another request with the key is refused. */
    fingerprint: string;
    /** Names the request that runs or ran. */
    claim: string;
    claimed_ms: number;
    /** JSON, sealed; null while the request runs. */
    answer: string | null;
    /** Bytes of `answer`; 0 while the request runs. */
    bytes: number;
  };
  /** Who may act for `name` until `expires_ms`. `epoch` grows with each change of hands. */
  leases: { name: string; holder: string; epoch: number; expires_ms: number };
  /** The control (its data folder's id) whose disk holds a repository. */
  repository_homes: { repository_id: string; home: string; claimed_ms: number };
  /** Log lines that retention removed: so many, the last of them at this cursor, all above the row before. */
  log_expired: { handler_id: string; last_cursor: number; lines: number };
  /** Number of the last batch of log lines stored for a sender; batches up to it have been stored before. */
  log_origins: { origin: string; number: number; stored_ms: number };
}
