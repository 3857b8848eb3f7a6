import type { Generated } from 'kysely';
import type { HandlerId, HandlerName } from '../../protocol/names.ts';
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
    /** When the user was suspended; null: not suspended. */
    suspended_ms: number | null;
    /**
     * Grows when the password or second factor changes and when the user is suspended, which ends cached credentials.
     */
    credential_epoch: Generated<number>;
    /**
     * When the user was deleted; null: never. The row stays, without a credential and under a name that nobody chose:
     * versions that the user pushed refer to it.
     */
    deleted_ms: number | null;
    /** The user's own limits; null: the platform's limit holds. */
    handlers_max: number | null;
    quota_bytes: number | null;
    calls_max: number | null;
    /** Secret of the second factor, sealed (src/control/accounts/sealer.ts); null: there is none. */
    totp_sealed: string | null;
    /** When a code first proved that the user has the secret; null: log-ins do not ask for codes yet. */
    totp_confirmed_ms: number | null;
    /** Time step of the last accepted code, since each code is accepted once. */
    totp_last_step: number | null;
    /** Unix milliseconds at which every counted try of a code is forgotten (src/control/accounts/code-tries.ts). */
    totp_tries_until_ms: Generated<number>;
  };
  /** Recovery codes as SHA-256, hex. Each one replaces one code of the second factor and is then removed. */
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
    /** Id of the only handler that the Token is valid for; null: all handlers of its user. */
    handler_id: HandlerId | null;
    /** When the Token becomes invalid; null: never. */
    expires_ms: number | null;
  };
  invites: {
    id: string;
    hash: string;
    created_by: string | null;
    created_ms: number;
    /** Number of people who may sign up with it, followed by the number who have. */
    uses_max: number;
    uses: number;
    /** When the invite becomes invalid; null: never. */
    expires_ms: number | null;
  };
  invite_uses: { invite_id: string; user_id: string; used_ms: number };
  settings: { key: string; value: string };
  known_addresses: { user_id: string /** Hash of user and address. */; address: string; last_ms: number };
  handlers: {
    id: HandlerId;
    /** Unique. A deleted handler keeps its name until it is purged. */
    name: HandlerName;
    owner_id: string;
    /** The first branch pushed, without refs/heads/. */
    deploy_branch: string | null;
    /** Number of the next Deployment, from 1. */
    next_number: number;
    created_ms: number;
    deleted_ms: number | null;
    /** HandlerSettings as JSON; null: nothing is set. */
    settings: string | null;
  };
  /** Names that handlers had before they were renamed. A name is never a present and a former one at once. */
  former_names: { name: string; handler_id: HandlerId; renamed_ms: number };
  /** Claims of custom domains. Several handlers may claim one; at most one is served under it. */
  domains: {
    handler_id: HandlerId;
    /** ASCII form, in lower case. */
    domain: string;
    /**
     * Part of the records that prove the claim. Each claim has its own, so records of a removed claim prove nothing.
     */
    token: string;
    created_ms: number;
    /** Last check, followed by the first that succeeded; null: none. */
    checked_ms: number | null;
    verified_ms: number | null;
    /** First failed check since the last that succeeded; null: the last one succeeded, or there was none. */
    failing_ms: number | null;
    /** Result of the last check where it failed. */
    problem: string | null;
    /** Last handshake under the domain with the front, and why callers would not trust it; null: none, they would. */
    certificate_ms: number | null;
    certificate_problem: string | null;
    /** The domain again while the handler is served under it, which makes it unique; null: it is not. */
    served: string | null;
  };
  /** Users who work on another user's handler. */
  collaborators: { handler_id: HandlerId; user_id: string; role: CollaboratorRole; added_ms: number };
  /** Handlers offered to another user who has not accepted yet. */
  transfers: { handler_id: HandlerId; to_user: string; offered_ms: number };
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
    handler_id: HandlerId;
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
    /** When it was retired or failed; null: it has not been. */
    ended_ms: number | null;
    /** Branch of the preview that it belongs to; '': the deploy branch. */
    branch: Generated<string>;
    /** Who wrote the commit, as it says; null: not known. */
    author: Generated<string | null>;
    /** First paragraph of the commit's message; null: not known. */
    subject: Generated<string | null>;
    /** What it may do that the version before may not, a JSON array of sentences; null: nothing, or not known. */
    newly: Generated<string | null>;
    /** When its Artifact was replaced by one of a later linker; null: it is that of the push. */
    relinked_ms: Generated<number | null>;
    /** Version of the newest linker that refused its component after the push; null: none has. */
    relink_refused: Generated<number | null>;
  };
  /** Previews of branches that are not the deploy branch. */
  previews: {
    /** Names the preview's kv namespace. An id is never given twice. */
    id: string;
    handler_id: HandlerId;
    branch: string;
    /** Replaces the branch name in the label; unique among the handler's previews. */
    slug: string;
    /** Days without a call or push after which the preview ends. */
    days: number;
    created_ms: number;
    pushed_ms: number;
  };
  /** Gradual releases: Deployments that get a share of their handler's calls beside the live one. */
  rollouts: {
    handler_id: HandlerId;
    /** Never given twice. */
    id: string;
    deployment_id: string;
    /** 1 to 99. */
    percent: number;
    /** In lower case. */
    header: string | null;
    error_percent: number;
    started_ms: number;
    /**
     * RolloutFigures of both versions in the minute of the start, before it, as JSON (src/control/deploy/rollouts.ts).
     */
    baseline: string;
  };
  /** Bytes that a handler stores, as last measured (src/control/quota). */
  stored_bytes: { handler_id: HandlerId; kind: HandlerKind; bytes: number };
  /** Deployment that a handler (branch '') or a preview serves now. */
  releases: { handler_id: HandlerId; branch: string; deployment_id: string; changed_ms: number };
  /** Log lines, packed (src/protocol/log-block.ts). Blocks of one handler do not overlap. */
  log_blocks: {
    handler_id: HandlerId;
    /** Cursors of the first and last line, assigned by src/control/logs in commit order; unique over all handlers. */
    first_cursor: number;
    last_cursor: number;
    lines: number;
    /** Earliest and latest time of a line. */
    first_ms: number;
    last_ms: number;
    /** Bits of the lines' levels and streams. */
    levels: number;
    streams: number;
    /** UTF-16 units of the texts together. */
    text_chars: number;
    /** Bytes of `words` and `data`. */
    bytes: number;
    words: Uint8Array;
    data: Uint8Array;
  };
  /** Log lines of earlier versions, one row each; moved into blocks when the log opens. */
  log_lines: {
    /** Assigned by src/control/logs in commit order; unique over all handlers. */
    cursor: number;
    handler_id: HandlerId;
    deployment: number;
    invocation: string;
    seq: number;
    time_ms: number;
    gas: number;
    stream: string;
    level: number;
    text: string;
    /** Slug of the preview that wrote the line; '': no preview. */
    preview: Generated<string>;
  };
  invocations: {
    id: string;
    handler_id: HandlerId;
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
    handler_id: HandlerId;
    deployment: number;
    minute_ms: number;
    invocations: number;
    failures: number;
    /** Failures that are calls which the platform refused for a reason outside of the Deployment. */
    refusals: number;
    gas: number;
    duration_ms: number;
    bytes_in: number;
    bytes_out: number;
  };
  /** Drains (src/control/drains): receivers outside, to which log lines are handed on. */
  drains: {
    id: string;
    /** Handler whose lines it hands on; null: those of all handlers. */
    handler_id: HandlerId | null;
    /** `handler_id`, but '' for null: names of drains are unique in a scope. */
    scope: string;
    name: string;
    kind: 'otlp' | 'syslog' | 'webhook' | 's3';
    /** Where it leads, for people. */
    target: string;
    /** Settings with their secrets, as JSON, sealed. */
    sealed: string;
    /** Newest cursor when it was made: lines before it are not handed on. */
    start_cursor: number;
    created_ms: number;
    sent: number;
    lost: number;
    sent_ms: number | null;
    /** Failed attempts since the last success, followed by the last one's reason and time, and the time of the next. */
    failures: number;
    error: string | null;
    failed_ms: number | null;
    retry_ms: number;
  };
  /** Last cursor of a handler's log that a drain has handed on. */
  drain_cursors: { drain_id: string; handler_id: HandlerId; cursor: number };
  /**
   * Variables of a handler (branch ''), and those of its branches, which override them. `sealed`: AES-256-GCM, base64.
   */
  handler_env: { handler_id: HandlerId; branch: Generated<string>; key: string; sealed: string; updated_ms: number };
  kv: { handler_id: HandlerId; bucket: string; key: string; value: Uint8Array; updated_ms: number };
  /** Queues of users. */
  queues: {
    id: string;
    owner_id: string;
    name: string;
    /** 1: its messages are not delivered. */
    is_paused: number;
    /** Position of the message that was published last. */
    last_position: number;
    created_ms: number;
  };
  messages: {
    id: string;
    queue_id: string;
    /** Order within the queue, which is the order of publishing. */
    position: number;
    state: MessageState;
    /**
     * State `ready`: earliest time of the next delivery, 0 for at once, -1 while another message of its group comes
     * first (src/control/queues/waiting-messages.ts). State `inflight`: time by which the holder must have settled or
     * extended the message, or else it becomes ready again.
     */
    due_ms: number;
    /** Deliveries that have begun. */
    attempts: number;
    body: Uint8Array;
    content_type: string | null;
    /** Messages with the same key are delivered one after the other; null: no group. */
    group_key: string | null;
    published_ms: number;
    /** Id of the handler that the message was last delivered to. */
    taken_by: string | null;
    /** Id of the delivery that has the message. */
    taken_id: string | null;
    /** Reason for which the last delivery failed. */
    reason: string | null;
    /** Id of the Invocation that processed the message last. */
    invocation: string | null;
    /** When it was done, or failed for good. */
    ended_ms: number | null;
  };
  /** Deduplication keys that have been used and not yet expired. */
  message_keys: { queue_id: string; key: string; message_id: string; expires_ms: number };
  /** Number and bytes of a user's messages, exact: updated in the transactions that change messages. */
  message_totals: { owner_id: string; items: number; bytes: number };
  /** Queues that live Deployments consume; `settings` is a QueueSettings as JSON. */
  subscriptions: { handler_id: HandlerId; branch: Generated<string>; queue: string; settings: string };
  /** Schedules of live Deployments; `settings` is a ScheduleSettings as JSON. */
  schedules: {
    handler_id: HandlerId;
    name: string;
    settings: string;
    /** 1: the schedule does not tick. */
    is_paused: number;
    /** Time from which `every` is counted. */
    anchor_ms: number;
    /** The next tick; null: there is none. */
    next_ms: number | null;
    /** The tick that was fired last; null: none yet. */
    last_ms: number | null;
  };
  /** What became of messages, by queue and minute; `minute_ms` is the minute's begin. Rows go after a while. */
  queue_rates: {
    queue_id: string;
    minute_ms: number;
    published: number;
    acknowledged: number;
    retried: number;
    dead: number;
  };
  /** Calls that the platform makes: ticks of schedules, asynchronous HTTP requests. */
  calls: {
    id: string;
    handler_id: HandlerId;
    /** Key of the schedule (`name` of `schedules`); null for a request. */
    schedule: string | null;
    /** The tick that the run is for; null for a request, and for a run that a user started. */
    tick_ms: number | null;
    state: CallState;
    /** Unix milliseconds, by state as `due_ms` of `messages`, but never -1. */
    due_ms: number;
    /** Deliveries that have begun. */
    attempts: number;
    /** Greatest number of deliveries when the function fails. */
    attempts_max: number;
    /** 1: runs of its schedule are made one after the other. */
    is_serial: number;
    /** CallRequest as JSON (src/protocol/call-request.ts). */
    request: string;
    body: Uint8Array;
    created_ms: number;
    started_ms: number | null;
    ended_ms: number | null;
    taken_id: string | null;
    /** Status of the answer, followed by its fields as a JSON list of pairs and its body; null: there is no answer. */
    status: number | null;
    fields: string | null;
    answer: Uint8Array | null;
    /** Reason for which the call failed or was skipped. */
    reason: string | null;
    invocation: string | null;
  };
  /** Number and bytes of the values that a handler stores, exact: updated in the transactions that change values. */
  storage_totals: { handler_id: HandlerId; kind: 'kv' | `kv:${string}`; items: number; bytes: number };
  /**
   * Entries of the audit (src/control/audit): appended, removed from the oldest end when they expire, never changed.
   */
  audit_entries: {
    /** From 1, without gaps. */
    number: number;
    time_ms: number;
    user_id: string;
    user_name: string;
    token_id: string | null;
    address: string;
    operation: string;
    handler_id: HandlerId | null;
    /** Name of the handler at that time. */
    handler: string | null;
    /** JSON. */
    detail: string;
    outcome: string;
    hash: string;
  };
  /** One row, id 1: the newest entry of the audit, and the newest of the removed entries. */
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
  /** Holder of the right to act for `name` until `expires_ms`. `epoch` grows with each new holder. */
  leases: { name: string; holder: string; epoch: number; expires_ms: number };
  /**
   * Controls on this database (src/control/db/membership.ts). Each is alive until `expires_ms` by the database's clock.
   */
  controls: {
    /** Id of the control's data folder. */
    control_id: string;
    /** Id of the start of the control, a new one each time. */
    boot_id: string;
    /** Base URL at which other controls reach it, without a slash at the end. */
    url: string;
    expires_ms: number;
  };
  /** The control (its data folder's id) that serves a repository. */
  repository_homes: {
    repository_id: string;
    home: string;
    claimed_ms: number;
    /** Grows with each new home: a push that began under a smaller epoch can not be recorded any more. */
    epoch: Generated<number>;
    /** 1: everything accepted is in `repository_records`, so another control can go on with the repository. */
    is_recorded: Generated<number>;
    /** Number of the last record; 0: none. */
    last_number: Generated<number>;
  };
  /** Accepted pushes of a repository, from which any control restores it: a base, and one row for each later push. */
  repository_records: {
    repository_id: string;
    /** From 1, without gaps after the base. */
    number: number;
    /** 1: `refs` are all refs, and `blob` has all objects; earlier rows do not exist. */
    is_base: number;
    /** Names the push, so that it is recorded once. */
    push: string;
    /** JSON: ref -> object id; null: the ref was deleted. */
    refs: string;
    /** Content of the repository's file `shallow` after the push; '': the history is whole. */
    shallow: string;
    /** Name of the pack with the objects of the push; null: it brought none. */
    blob: string | null;
  };
  /** Contents that every control can read: Artifacts, file bundles, packs. `sha256`: hex. */
  blobs: {
    name: string;
    bytes: number;
    sha256: string;
    /** When it was last stored, also anew; a young content is never removed. */
    touched_ms: number;
  };
  /** The bytes of `blobs` in pieces, from position 0. */
  blob_pieces: { name: string; position: number; bytes: Uint8Array };
  /**
   * Log lines that retention removed: `lines` of them, with cursors above the previous row's `last_cursor`, up to this
   * one's.
   */
  log_expired: { handler_id: HandlerId; last_cursor: number; lines: number };
  /**
   * How much of a handler's log is kept; null: what holds for the server. A handler without a row has no value of its
   * own.
   */
  log_retention: { handler_id: HandlerId; days: number | null; bytes: number | null };
  /**
   * Number of the last batch of log lines or usage stored for a sender; batches with numbers up to it have been stored.
   */
  log_origins: { origin: string; number: number; stored_ms: number };
  /** Nodes of a cluster (src/control/nodes). */
  nodes: {
    id: string;
    name: string;
    /** SHA-256 of the node's token, hex. */
    token_hash: string;
    /** Number of times that the node has joined. */
    epoch: number;
    created_ms: number;
    /** When it last joined; null: never. */
    joined_ms: number | null;
  };
  /**
   * Changes of what labels serve, in order, for the controls and nodes of a cluster (src/control/nodes/shared-feed.ts).
   * Rows that a later one of the same key has replaced are removed after a while.
   */
  released: {
    revision: number;
    key: string;
    /** 1: no later row has the same key, else 0. */
    is_current: number;
    /** Released (src/protocol/released.ts) as JSON, sealed, since variables may be secrets; null: there is nothing. */
    content: string | null;
    changed_ms: number;
  };
}
