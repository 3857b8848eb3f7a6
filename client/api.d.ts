// Written by client/build.ts from the OpenAPI document.

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** stable; compare this */
  readonly code: string;
  readonly detail: string;
  readonly hints?: readonly (string)[];
  readonly details?: readonly (string)[];
  /** the key into the log of the platform */
  readonly id?: string;
};

export type User = {
  readonly id: string;
  readonly name: string;
  /** Unix milliseconds */
  readonly createdMs: number;
};

export type Token = {
  readonly id: string;
  readonly label: string;
  readonly scope: 'read' | 'deploy' | 'full';
  /** the one handler that it is good for; null: all */
  readonly handler: string | null;
  /** Unix milliseconds */
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
  /** null: it never ends by itself */
  readonly expiresMs: number | null;
};

export type Invite = {
  readonly id: string;
  /** Unix milliseconds */
  readonly createdMs: number;
  /** people who may sign up with it */
  readonly usesMax: number;
  readonly uses: number;
  readonly expiresMs: number | null;
  readonly usedBy: readonly (string)[];
};

export type Handler = {
  readonly name: string;
  readonly owner: string;
  /** what the caller is to it */
  readonly role: 'viewer' | 'deployer' | 'owner';
  /** where the function answers, under its own host name */
  readonly url: string;
  /** where it answers too, under a path of the platform's host */
  readonly pathUrl: string;
  readonly gitUrl: string;
  /** null until the first push */
  readonly deployBranch: string | null;
  /** set without a push: limits win over those of the manifest, patterns are added to its policy */
  readonly settings: {
    readonly limits: {
      /** pages of 64 KiB that the memory may grow to */
      readonly memoryPages?: number;
      /** instructions, and their equivalents, of one invocation */
      readonly gas?: number;
      /** milliseconds on the wall clock for one invocation */
      readonly timeoutMs?: number;
      /** bytes of the request body */
      readonly bodyBytes?: number;
    };
    readonly policy: {
      readonly allow: readonly (string)[];
      readonly disallow: readonly (string)[];
    };
    /** whether pushes of other branches make previews */
    readonly previews: boolean;
  };
  readonly state: 'empty' | 'live' | 'failed' | 'deleted';
  /** number of the live deployment */
  readonly version: number | null;
  /** Unix milliseconds */
  readonly createdMs: number;
  readonly deployedMs: number | null;
  /** names that it had before, newest first: git and callers that use one are sent to its name now */
  readonly formerNames: readonly ({
    readonly name: string;
    /** until then only the owner can take the name, from then on every user */
    readonly keptUntilMs: number;
  })[];
};

export type Deployment = {
  readonly number: number;
  readonly state: 'staged' | 'live' | 'retired' | 'failed';
  readonly commit: string;
  /** who wrote the commit, as it says itself; null: not known */
  readonly author: string | null;
  /** first paragraph of the commit's message, cut; null: not known */
  readonly subject: string | null;
  readonly ref: string;
  /** branch of the preview that it belongs to; null: the handler itself */
  readonly preview: string | null;
  readonly pushedBy: string;
  /** Unix milliseconds */
  readonly createdMs: number;
  readonly modulePath: string;
  readonly moduleBytes: number;
  readonly moduleSha256: string;
  readonly abis: readonly ('cwa' | 'wasi' | 'dagger' | 'land' | 'h' | 'wasi2' | 'wasi3')[];
  /** interfaces of the platform that the module imports */
  readonly interfaces: readonly (string)[];
  readonly limits: {
    /** pages of 64 KiB that the memory may grow to */
    readonly memoryPages: number;
    /** instructions, and their equivalents, of one invocation */
    readonly gas: number;
    /** milliseconds on the wall clock for one invocation */
    readonly timeoutMs: number;
    /** bytes of the request body */
    readonly bodyBytes: number;
  };
  readonly policy: {
    readonly allow: readonly (string)[];
    readonly disallow: readonly (string)[];
  } | null;
  /** what it may do that the version that was live at its push may not, one sentence each */
  readonly newlyAllowed: readonly (string)[];
  readonly vetMs: number;
  readonly failure: string | null;
};

export type Preview = {
  readonly branch: string;
  /** what stands for the branch in SLUG--NAME and marks log lines */
  readonly slug: string;
  readonly url: string;
  readonly pathUrl: string;
  /** number of the live deployment */
  readonly version: number;
  readonly commit: string;
  /** Unix milliseconds */
  readonly pushedMs: number;
  /** last call, to the minute; null: never */
  readonly calledMs: number | null;
  /** when it ends unless somebody calls it or pushes to it */
  readonly endsMs: number;
};

export type Variable = {
  readonly key: string;
  readonly bytes: number;
  /** the last 4 characters of a value of at least 16; else '' */
  readonly tail: string;
  /** Unix milliseconds */
  readonly updatedMs: number;
};

export type Domain = {
  /** ASCII form; international names in punycode */
  readonly domain: string;
  /** served while it is verified or failing */
  readonly state: 'pending' | 'verified' | 'failing' | 'lost';
  /** TXT record that proves it */
  readonly txt: {
    readonly name: string;
    readonly value: string;
  };
  /** CNAME record that proves it too */
  readonly cname: {
    readonly name: string;
    readonly value: string;
  };
  /** what the last check found; null: it did not fail */
  readonly problem: string | null;
  /** Unix milliseconds */
  readonly createdMs: number;
  /** last check */
  readonly checkedMs: number | null;
  /** first check that succeeded */
  readonly verifiedMs: number | null;
  /** what callers over HTTPS are shown; null: it is not served, or nothing is known */
  readonly certificate: {
    /** why callers do not trust it; null: they do */
    readonly problem: string | null;
    /** Unix milliseconds */
    readonly checkedMs: number;
  } | null;
};

export type Rollout = {
  /** number of the live deployment */
  readonly from: number;
  /** number of the deployment that gets a share of the calls */
  readonly to: number;
  readonly percent: number;
  /** header by whose value callers are told apart; null: by a cookie alone */
  readonly header: string | null;
  /** failures of the new version, in percent of its calls, above which it is aborted */
  readonly errorPercent: number;
  /** Unix milliseconds */
  readonly startedMs: number;
  /** since the start */
  readonly figures: {
    readonly from: {
      readonly invocations: number;
      /** calls that ended otherwise than ok */
      readonly failures: number;
      /** null: no calls */
      readonly meanMs: number | null;
    };
    readonly to: {
      readonly invocations: number;
      /** calls that ended otherwise than ok */
      readonly failures: number;
      /** null: no calls */
      readonly meanMs: number | null;
    };
  };
};

export type Collaborator = {
  readonly user: string;
  readonly role: 'viewer' | 'deployer';
  /** Unix milliseconds */
  readonly addedMs: number;
};

export type Transfer = {
  readonly handler: string;
  readonly from: string;
  readonly to: string;
  /** Unix milliseconds */
  readonly offeredMs: number;
  /** Unix milliseconds */
  readonly expiresMs: number;
};

export type LogLine = {
  /** grows with every line; where a reader goes on from */
  readonly cursor: number;
  readonly handler: string;
  readonly deployment: number;
  readonly invocation: string;
  readonly seq: number;
  /** Unix milliseconds */
  readonly timeMs: number;
  readonly gas: number;
  readonly stream: 'log' | 'stderr' | 'platform' | 'request';
  /** 1 error, 3 warning, 6 info; others as the guest gave them */
  readonly level: number;
  /** as written: may hold control characters */
  readonly text: string;
  /** slug of the preview that it is of */
  readonly preview?: string;
  /** status of the call, in lines of the stream `request` */
  readonly status?: number;
  /** fields of a line that was a JSON object */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
};

export type Invocation = {
  readonly id: string;
  readonly handler: string;
  readonly deployment: number;
  readonly startedMs: number;
  readonly durationMs: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** ok, aborted, or the code the caller saw */
  readonly outcome: string;
  readonly gas: number;
  readonly memoryPages: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly syscalls: Readonly<Record<string, {
    readonly count: number;
    readonly waitMs: number;
  }>>;
  readonly io: Readonly<Record<string, {
    readonly bytesIn: number;
    readonly bytesOut: number;
  }>>;
  readonly logLines: number;
  /** what made it run: name of the queue or schedule, id of the asynchronous call; absent: a caller */
  readonly trigger?: {
    readonly kind: 'queue' | 'schedule' | 'async';
    readonly name: string;
  };
  readonly commit?: string;
  /** trace id of the caller's traceparent */
  readonly traceId?: string;
  /** why it failed */
  readonly error?: string;
  /** functions of the guest that were running when it failed, innermost first; with (FILE:LINE) where the module tells it */
  readonly stack?: readonly (string)[];
};

export type UsageSummary = {
  readonly windowMs: number;
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
};

export type UsageMinute = {
  /** Unix milliseconds */
  readonly minuteMs: number;
  readonly invocations: number;
  readonly failures: number;
  readonly gas: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
};

export type Queue = {
  readonly name: string;
  readonly isPaused: boolean;
  /** messages by state */
  readonly messages: {
    readonly ready: number;
    readonly inflight: number;
    readonly dead: number;
    readonly done: number;
  };
  readonly bytes: number;
  /** when the oldest message that waits was published */
  readonly oldestMs: number | null;
  /** messages of the last 5 minutes */
  readonly recent: {
    readonly published: number;
    readonly acknowledged: number;
    readonly retried: number;
    readonly dead: number;
  };
  /** handlers whose live version consumes it */
  readonly consumers: readonly (string)[];
};

export type QueueMessage = {
  readonly id: string;
  /** grows with each message of the queue; gaps are usual */
  readonly position: number;
  readonly state: 'ready' | 'inflight' | 'dead' | 'done';
  readonly contentType: string | null;
  readonly group: string | null;
  /** deliveries that have begun */
  readonly attempts: number;
  /** Unix milliseconds */
  readonly publishedMs: number;
  /** not delivered before; null: at once */
  readonly dueMs: number | null;
  /** when it was done, or failed for good */
  readonly endedMs: number | null;
  /** why the last delivery failed */
  readonly reason: string | null;
  /** that dealt with it last */
  readonly invocation: string | null;
  readonly bytes: number;
  /** the body where it is UTF-8; else null */
  readonly text: string | null;
  /** the body where it is not UTF-8; else null */
  readonly base64: string | null;
};

export type Schedule = {
  readonly name: string;
  /** null: everyMs counts */
  readonly cron: string | null;
  /** that cron is read in */
  readonly timezone: string;
  readonly everyMs: number | null;
  /** that the function is called with */
  readonly path: string;
  readonly body: string;
  readonly overlap: 'skip' | 'allow';
  /** missed ticks that are run late */
  readonly catchUp: number;
  readonly isPaused: boolean;
  /** the coming ticks */
  readonly nextMs: readonly (number)[];
  /** the newest runs, newest first */
  readonly runs: readonly ({
    /** null: somebody asked for it */
    readonly tickMs: number | null;
    readonly state: 'ready' | 'inflight' | 'done' | 'failed' | 'skipped';
    readonly startedMs: number | null;
    readonly endedMs: number | null;
    readonly attempts: number;
    /** why it failed or was skipped */
    readonly reason: string | null;
    readonly invocation: string | null;
  })[];
};

export type Call = {
  /** the beginning of its id: the whole one gives access to the answer */
  readonly id: string;
  readonly state: 'ready' | 'inflight' | 'done' | 'failed' | 'skipped';
  readonly attempts: number;
  /** before which the next attempt does not begin; null: none waits */
  readonly dueMs: number | null;
  /** Unix milliseconds */
  readonly acceptedMs: number;
  /** of the last attempt */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  /** why the last attempt failed */
  readonly reason: string | null;
  readonly invocation: string | null;
  /** of the answer; null: there is none */
  readonly status: number | null;
};

export type Account = {
  readonly name: string;
  /** Unix milliseconds */
  readonly createdMs: number;
  readonly admin: boolean;
  /** since when; null: not suspended */
  readonly suspendedMs: number | null;
  readonly secondFactor: boolean;
  readonly handlers: number;
  /** as last measured */
  readonly usedBytes: number;
  /** null: the platform's limit */
  readonly handlersMax: number | null;
  /** null: the platform's limit */
  readonly quotaBytes: number | null;
  /** invocations in flight; null: no limit of the user */
  readonly callsMax: number | null;
};

export type Drain = {
  readonly name: string;
  readonly kind: 'otlp' | 'syslog' | 'webhook' | 's3';
  /** where lines go, without credentials, query and the path of a webhook */
  readonly target: string;
  /** Unix milliseconds */
  readonly createdMs: number;
  /** lines that the receiver has taken */
  readonly sent: number;
  /** lines that it never gets: retention removed them first, or it refused them */
  readonly lost: number;
  readonly sentMs: number | null;
  /** failed attempts since the last success */
  readonly failures: number;
  /** why the last attempt failed */
  readonly error: string | null;
  readonly failedMs: number | null;
  /** time before which there is no further attempt */
  readonly retryMs: number | null;
};

export type GasProfile = {
  /** gas of the profiled calls */
  readonly gas: number;
  /** calls that began and ended meanwhile */
  readonly calls: number;
  /** stacks that were taken */
  readonly samples: number;
  /** names of functions */
  readonly functions: readonly (string)[];
  /** functions in their calling contexts, each after its caller: number of the caller’s node or -1, index in functions, gas of its own */
  readonly nodes: readonly (readonly (unknown)[])[];
};

export type AuditEntry = {
  /** from 1, without gaps */
  readonly number: number;
  /** Unix milliseconds */
  readonly timeMs: number;
  /** who did it, by the name of that time */
  readonly user: string;
  /** the Token it was done with; null: a name and a password */
  readonly tokenId: string | null;
  /** where from */
  readonly address: string;
  /** the operation's id in this document, or gitPush */
  readonly operation: string;
  /** what it was done to, by the name of that time */
  readonly handler: string | null;
  /** what was asked for, as JSON without secrets */
  readonly detail: string;
  /** ok, or the code of a failure that may have changed something */
  readonly outcome: string;
  /** SHA-256 over the entry and the hash of the one before */
  readonly hash: string;
};

export interface Operations {
  /** POST /users: Make an account. The first one needs the code that the server printed, as `invite`. */
  readonly signUp: {
    readonly input: {
      readonly body: {
        readonly name: string;
        readonly password: string;
        readonly invite?: string;
      };
    };
    readonly answer: {
      readonly user: User;
      /** shown once */
      readonly token: string;
    };
  };
  /** GET /users: Users by name. */
  readonly listUsers: {
    readonly input: {
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
        /** names that contain this */
        readonly search?: string;
      };
    };
    readonly answer: {
      readonly users: readonly (Account)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /sessions: Get a Token for a name and a password, and a code where the account has a second factor. */
  readonly logIn: {
    readonly input: {
      readonly body: {
        readonly name: string;
        readonly password: string;
        readonly label?: string;
        /** of the second factor: the app's six digits, or a recovery code */
        readonly code?: string;
      };
    };
    readonly answer: {
      readonly user: User;
      /** shown once */
      readonly token: string;
    };
  };
  /** DELETE /sessions: Revoke the Token of this request. */
  readonly logOut: {
    readonly input: Record<never, never>;
    readonly answer: void;
  };
  /** GET /whoami: Whose Token this is, and what it is good for. */
  readonly whoAmI: {
    readonly input: Record<never, never>;
    readonly answer: {
      readonly user: User;
      /** whether the user administers the platform */
      readonly admin: boolean;
      readonly tokenId: string;
      readonly scope: 'read' | 'deploy' | 'full';
      /** the one handler that the Token is good for; null: all */
      readonly handler: string | null;
      readonly expiresMs: number | null;
    };
  };
  /** PUT /password: Change the password. With `endSessions` every other Token of the user is revoked, those of CI jobs too. */
  readonly changePassword: {
    readonly input: {
      readonly body: {
        readonly current: string;
        readonly next: string;
        /** of the second factor: the app's six digits, or a recovery code */
        readonly code?: string;
        readonly endSessions: boolean;
      };
    };
    readonly answer: void;
  };
  /** POST /second-factor: Draw the secret of a second factor (RFC 6238). Log-ins ask for codes once one has been confirmed. */
  readonly startSecondFactor: {
    readonly input: Record<never, never>;
    readonly answer: {
      /** base32, shown once */
      readonly secret: string;
      /** for a QR code */
      readonly uri: string;
    };
  };
  /** PUT /second-factor: Put the second factor in force with a first code of the app. */
  readonly confirmSecondFactor: {
    readonly input: {
      readonly body: {
        /** of the second factor: the app's six digits, or a recovery code */
        readonly code: string;
      };
    };
    readonly answer: {
      /** each stands for one code, once; shown once */
      readonly recoveryCodes: readonly (string)[];
    };
  };
  /** DELETE /second-factor: Take the second factor away. */
  readonly removeSecondFactor: {
    readonly input: {
      readonly body: {
        /** of the second factor: the app's six digits, or a recovery code */
        readonly code: string;
      };
    };
    readonly answer: void;
  };
  /** GET /tokens: Tokens in force, the oldest first. */
  readonly listTokens: {
    readonly input: {
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly tokens: readonly (Token)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /tokens: Make a Token, for a machine or a CI job. */
  readonly createToken: {
    readonly input: {
      readonly body: {
        readonly label: string;
        /** read: looks only; deploy: also pushes, rolls back, sets variables; full (default): everything */
        readonly scope?: 'read' | 'deploy' | 'full';
        /** the one handler that it is good for; not with scope full */
        readonly handler?: string;
        /** by default it never ends */
        readonly expiresInDays?: number;
      };
    };
    readonly answer: {
      /** shown once */
      readonly token: string;
      readonly view: Token;
    };
  };
  /** DELETE /tokens/{id}: Revoke a Token. It holds at once, for open log streams too. */
  readonly revokeToken: {
    readonly input: {
      readonly id: string | number;
    };
    readonly answer: void;
  };
  /** GET /invites: Invites made by this user, used ones too, the oldest first. */
  readonly listInvites: {
    readonly input: {
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly invites: readonly (Invite)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /invites: Make a code with which one person, or several, may sign up. */
  readonly createInvite: {
    readonly input: {
      readonly body?: {
        /** people who may sign up with it; default 1 */
        readonly uses?: number;
        /** by default it never ends */
        readonly expiresInDays?: number;
      };
    };
    readonly answer: {
      /** shown once */
      readonly invite: string;
      readonly view: Invite;
    };
  };
  /** DELETE /invites/{id}: Take back an invite that somebody could still use. */
  readonly deleteInvite: {
    readonly input: {
      readonly id: string | number;
    };
    readonly answer: void;
  };
  /** GET /handlers: Handlers that this user owns or works on, by name; deleted ones only of the owner. */
  readonly listHandlers: {
    readonly input: {
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
        /** names that contain this, in any case */
        readonly search?: string;
        /** true: those that can be restored, and only those */
        readonly deleted?: 'true' | 'false';
      };
    };
    readonly answer: {
      readonly handlers: readonly (Handler)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /handlers: Make a handler; without a name it gets a generated one. */
  readonly createHandler: {
    readonly input: {
      readonly body?: {
        readonly name?: string;
      };
    };
    readonly answer: {
      readonly handler: Handler;
    };
  };
  /** GET /handlers/{name}: One handler. */
  readonly getHandler: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      readonly handler: Handler;
    };
  };
  /** PATCH /handlers/{name}: Choose the branch whose pushes are deployed; set limits (null: that of the manifest) and policy patterns (they replace those added before) without a push. The live deployment runs with them from now on. A `name` renames the handler, and stands alone; git and callers that use the name before are redirected. */
  readonly changeHandler: {
    readonly input: {
      readonly name: string | number;
      readonly body?: {
        /** new name; not together with other fields */
        readonly name?: string;
        readonly deployBranch?: string;
        readonly limits?: {
          /** pages of 64 KiB that the memory may grow to */
          readonly memoryPages?: number | null;
          /** instructions, and their equivalents, of one invocation */
          readonly gas?: number | null;
          /** milliseconds on the wall clock for one invocation */
          readonly timeoutMs?: number | null;
          /** bytes of the request body */
          readonly bodyBytes?: number | null;
        };
        readonly policy?: {
          readonly allow: readonly (string)[];
          readonly disallow: readonly (string)[];
        };
        /** whether pushes of other branches make previews */
        readonly previews?: boolean;
      };
    };
    readonly answer: {
      readonly handler: Handler;
    };
  };
  /** DELETE /handlers/{name}: Stop serving it. It can be restored for 30 days; its name stays taken and its bytes count meanwhile. With `purge` everything of it is removed for good, also of one that is deleted already. */
  readonly deleteHandler: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        readonly purge?: 'true' | 'false';
      };
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/restore: Bring a deleted handler back as it was. */
  readonly restoreHandler: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      readonly handler: Handler;
    };
  };
  /** GET /handlers/{name}/deployments: Deployments, newest first. */
  readonly listDeployments: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before: older than this number */
        readonly after?: number;
        /** items of the page; default 100 */
        readonly limit?: number;
        /** as after */
        readonly before?: number;
        /** those of this branch's preview, or of the deploy branch */
        readonly branch?: string;
      };
    };
    readonly answer: {
      readonly deployments: readonly (Deployment)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: number | null;
    };
  };
  /** POST /handlers/{name}/rollback: Make an earlier deployment live again; one of a preview with the name of its branch. */
  readonly rollBack: {
    readonly input: {
      readonly name: string | number;
      readonly body: {
        readonly number: number;
        readonly branch?: string;
      };
    };
    readonly answer: {
      readonly handler: Handler;
    };
  };
  /** GET /handlers/{name}/previews: Previews of branches that are not the deploy branch, by slug. */
  readonly listPreviews: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 100 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly previews: readonly (Preview)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** GET /handlers/{name}/previews/{branch}: One preview. */
  readonly getPreview: {
    readonly input: {
      readonly name: string | number;
      readonly branch: string | number;
    };
    readonly answer: {
      readonly preview: Preview;
    };
  };
  /** DELETE /handlers/{name}/previews/{branch}: Remove the preview of a branch with its kv values, variables and versions; the branch in git stays. */
  readonly deletePreview: {
    readonly input: {
      readonly name: string | number;
      readonly branch: string | number;
    };
    readonly answer: void;
  };
  /** GET /handlers/{name}/env: Variables by name, without their values. */
  readonly listVariables: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
        /** variables of this branch's preview, laid over the handler's */
        readonly branch?: string;
      };
    };
    readonly answer: {
      readonly variables: readonly (Variable)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** GET /handlers/{name}/env/{key}: One variable, without its value. */
  readonly getVariable: {
    readonly input: {
      readonly name: string | number;
      readonly key: string | number;
      readonly query?: {
        /** variables of this branch's preview, laid over the handler's */
        readonly branch?: string;
      };
    };
    readonly answer: {
      readonly variable: Variable;
    };
  };
  /** PUT /handlers/{name}/env/{key}: Set a variable; the live deployment runs with it from now on. */
  readonly setVariable: {
    readonly input: {
      readonly name: string | number;
      readonly key: string | number;
      readonly query?: {
        /** variables of this branch's preview, laid over the handler's */
        readonly branch?: string;
      };
      readonly body: {
        readonly value: string;
      };
    };
    readonly answer: {
      readonly variable: Variable;
    };
  };
  /** DELETE /handlers/{name}/env/{key}: Unset a variable; the live deployment runs without it from now on. */
  readonly removeVariable: {
    readonly input: {
      readonly name: string | number;
      readonly key: string | number;
      readonly query?: {
        /** variables of this branch's preview, laid over the handler's */
        readonly branch?: string;
      };
    };
    readonly answer: void;
  };
  /** GET /handlers/{name}/domains: Custom domains, by name. */
  readonly listDomains: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly domains: readonly (Domain)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /handlers/{name}/domains: Claim a domain and check it at once. It is served as soon as DNS has one of the two records of the answer, which is looked up by itself from time to time. */
  readonly addDomain: {
    readonly input: {
      readonly name: string | number;
      readonly body: {
        readonly domain: string;
      };
    };
    readonly answer: {
      readonly domain: Domain;
    };
  };
  /** GET /handlers/{name}/domains/{domain}: One custom domain, as the last check found it. */
  readonly getDomain: {
    readonly input: {
      readonly name: string | number;
      readonly domain: string | number;
    };
    readonly answer: {
      readonly domain: Domain;
    };
  };
  /** DELETE /handlers/{name}/domains/{domain}: Stop serving the handler under a domain, and forget it. */
  readonly removeDomain: {
    readonly input: {
      readonly name: string | number;
      readonly domain: string | number;
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/domains/{domain}/check: Look the records of a domain up now. */
  readonly checkDomain: {
    readonly input: {
      readonly name: string | number;
      readonly domain: string | number;
    };
    readonly answer: {
      readonly domain: Domain;
    };
  };
  /** GET /handlers/{name}/release: The gradual release of a handler, with figures of both versions. */
  readonly getRollout: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      /** null: all calls go to the live version */
      readonly release: Rollout | null;
    };
  };
  /** PUT /handlers/{name}/release: Let a share of the calls go to another version beside the live one, or change that share. */
  readonly putRollout: {
    readonly input: {
      readonly name: string | number;
      readonly body: {
        /** of the deployment */
        readonly number: number;
        /** share of the callers */
        readonly percent: number;
      };
    };
    readonly answer: {
      /** null: all calls go to the live version */
      readonly release: Rollout | null;
    };
  };
  /** DELETE /handlers/{name}/release: Let all calls go to the version before again. */
  readonly abortRollout: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/release/finish: Let all calls go to the new version: it is live now, the one before is retired. */
  readonly finishRollout: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      /** null: all calls go to the live version */
      readonly release: Rollout | null;
    };
  };
  /** GET /handlers/{name}/collaborators: Users who work on the handler besides its owner, by name. */
  readonly listCollaborators: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly collaborators: readonly (Collaborator)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** GET /handlers/{name}/collaborators/{user}: One collaborator. */
  readonly getCollaborator: {
    readonly input: {
      readonly name: string | number;
      readonly user: string | number;
    };
    readonly answer: {
      readonly collaborator: Collaborator;
    };
  };
  /** PUT /handlers/{name}/collaborators/{user}: Give a user a role. deployer: pushes, rolls back, sets variables, and all of viewer: reads git, logs, invocations, deployments, queues. */
  readonly setCollaborator: {
    readonly input: {
      readonly name: string | number;
      readonly user: string | number;
      readonly body: {
        readonly role: 'viewer' | 'deployer';
      };
    };
    readonly answer: {
      readonly collaborator: Collaborator;
    };
  };
  /** DELETE /handlers/{name}/collaborators/{user}: Take a user's role away. It holds at once, for open log streams too. */
  readonly removeCollaborator: {
    readonly input: {
      readonly name: string | number;
      readonly user: string | number;
    };
    readonly answer: void;
  };
  /** DELETE /handlers/{name}/membership: Give the own role as a collaborator up. */
  readonly leaveHandler: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/transfer: Offer the handler to another user, who owns it after accepting, with its variables, queues, logs and collaborators. An offer lapses after 7 days; a new one replaces it. */
  readonly offerTransfer: {
    readonly input: {
      readonly name: string | number;
      readonly body: {
        readonly to: string;
      };
    };
    readonly answer: {
      readonly transfer: Transfer;
    };
  };
  /** GET /handlers/{name}/transfer: To whom the handler is offered. */
  readonly getTransfer: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      readonly transfer: Transfer;
    };
  };
  /** DELETE /handlers/{name}/transfer: Take the offer back. */
  readonly withdrawTransfer: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: void;
  };
  /** GET /transfers: Handlers that are offered to the caller, by name. */
  readonly listTransfers: {
    readonly input: {
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly transfers: readonly (Transfer)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /transfers/{name}/accept: Become the owner of a handler that is offered. What it stores counts in the own quota from then on. */
  readonly acceptTransfer: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      readonly handler: Handler;
    };
  };
  /** DELETE /transfers/{name}: Refuse a handler that is offered. */
  readonly declineTransfer: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: void;
  };
  /** GET /handlers/{name}/logs: Log lines: the newest, or those above or below a cursor. Always ascending. */
  readonly queryLogs: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** lines above this cursor, oldest first */
        readonly after?: number;
        /** lines below this cursor */
        readonly before?: number;
        readonly limit?: number;
        /** this severe or worse: error, warning, info or a number */
        readonly level?: string;
        /** log: written by system call; stderr; platform: by Trisiel; request: calls */
        readonly stream?: 'log' | 'stderr' | 'platform' | 'request';
        /** true: lines of calls too, which are left out otherwise */
        readonly requests?: 'true' | 'false';
        /** only lines of calls with this status: 404, or 5xx for a class */
        readonly status?: string;
        /** a regular expression (RE2) that the text contains a match of */
        readonly regex?: string;
        /** NAME=VALUE: only lines with this field; NAME: with any value; may come several times */
        readonly field?: string | readonly (string)[];
        /** number of the version */
        readonly deployment?: number;
        readonly invocation?: string;
        /** a plain substring, not a pattern; A-Z counts as a-z */
        readonly grep?: string;
        /** slug of a preview; empty: only lines of none */
        readonly preview?: string;
        /** names of further handlers, with commas between them: their lines too */
        readonly also?: string;
        /** lines of this time or later, Unix milliseconds */
        readonly sinceMs?: number;
        /** lines before this time, Unix milliseconds */
        readonly untilMs?: number;
      };
    };
    readonly answer: {
      readonly lines: readonly (LogLine)[];
      /** `after` of the next question forward, or of the stream */
      readonly cursor: number;
      /** `before` of the next question backward; null: nothing older */
      readonly before: number | null;
      /** whether that way may have more */
      readonly more: boolean;
      /** the search reached its limit first: go on with `cursor` or `before` */
      readonly stopped: boolean;
      /** lines between `after` and the first of these that are not kept any more */
      readonly expired: number;
      /** as `cursor` where lines above `after` were asked for and there are more; else null */
      readonly next: number | null;
    };
  };
  /** GET /handlers/{name}/logs/export: All log lines that are kept, oldest first, a line each; gzip and zstd by Accept-Encoding. */
  readonly exportLogs: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** lines above this cursor */
        readonly after?: number;
        readonly format?: 'ndjson' | 'csv';
      };
    };
    readonly answer: Response;
  };
  /** GET /handlers/{name}/logs/retention: How long and how much of its log is kept. */
  readonly getLogRetention: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      /** days that its lines are kept; null: as long as the server keeps lines */
      readonly days: number | null;
      /** bytes that are kept, as stored; null: as many as the server keeps */
      readonly bytes: number | null;
      /** what the server keeps at most */
      readonly server: {
        readonly days: number;
        readonly bytes: number;
      };
    };
  };
  /** PATCH /handlers/{name}/logs/retention: Keep less of its log than the server does: the oldest lines beyond are removed at once. */
  readonly setLogRetention: {
    readonly input: {
      readonly name: string | number;
      readonly body?: {
        readonly days?: number | null;
        readonly bytes?: number | null;
      };
    };
    readonly answer: {
      /** days that its lines are kept; null: as long as the server keeps lines */
      readonly days: number | null;
      /** bytes that are kept, as stored; null: as many as the server keeps */
      readonly bytes: number | null;
      /** what the server keeps at most */
      readonly server: {
        readonly days: number;
        readonly bytes: number;
      };
    };
  };
  /** GET /handlers/{name}/logs/stream: A WebSocket (log-stream.ts): text frames {"lines":[LogLine…],"dropped":0}; one frame has `caughtUp`, the cursor up to which all stored lines have been sent. Close codes: 4401 token revoked or expired, 4403 not allowed any more, 4404 handler deleted, 1013 reader too slow. */
  readonly streamLogs: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** lines above this cursor, then live ones; without it only live ones */
        readonly after?: number;
        /** this severe or worse: error, warning, info or a number */
        readonly level?: string;
        /** log: written by system call; stderr; platform: by Trisiel; request: calls */
        readonly stream?: 'log' | 'stderr' | 'platform' | 'request';
        /** true: lines of calls too, which are left out otherwise */
        readonly requests?: 'true' | 'false';
        /** only lines of calls with this status: 404, or 5xx for a class */
        readonly status?: string;
        /** a regular expression (RE2) that the text contains a match of */
        readonly regex?: string;
        /** NAME=VALUE: only lines with this field; NAME: with any value; may come several times */
        readonly field?: string | readonly (string)[];
        /** number of the version */
        readonly deployment?: number;
        readonly invocation?: string;
        /** a plain substring, not a pattern; A-Z counts as a-z */
        readonly grep?: string;
        /** slug of a preview; empty: only lines of none */
        readonly preview?: string;
      };
    };
    readonly answer: void;
  };
  /** GET /handlers/{name}/invocations: Invocations, newest first. Of very busy handlers silent successes are a sample. */
  readonly listInvocations: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before: started before this id */
        readonly after?: string;
        /** items of the page; default 100 */
        readonly limit?: number;
        /** as after */
        readonly before?: string;
        readonly failed?: 'true' | 'false';
      };
    };
    readonly answer: {
      readonly invocations: readonly (Invocation)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** GET /handlers/{name}/invocations/export: All invocations that are kept and have ended, oldest first, a line each; gzip and zstd by Accept-Encoding. */
  readonly exportInvocations: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** an id: those that started after this one */
        readonly after?: string;
        readonly format?: 'ndjson' | 'csv';
      };
    };
    readonly answer: Response;
  };
  /** GET /handlers/{name}/invocations/{id}: One invocation. */
  readonly getInvocation: {
    readonly input: {
      readonly name: string | number;
      readonly id: string | number;
    };
    readonly answer: {
      readonly invocation: Invocation;
    };
  };
  /** DELETE /handlers/{name}/invocations/{id}: End an invocation that is listed as running. Its caller is answered `cancelled`; a message comes again. */
  readonly cancelInvocation: {
    readonly input: {
      readonly name: string | number;
      readonly id: string | number;
    };
    readonly answer: void;
  };
  /** GET /handlers/{name}/usage: Figures of the last minutes, and exact counters by the minute. */
  readonly getUsage: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        readonly minutes?: number;
      };
    };
    readonly answer: {
      readonly summary: UsageSummary;
      readonly minutes: readonly (UsageMinute)[];
    };
  };
  /** GET /usage: What of the quota is used, in bytes, and figures of the last minutes for each handler of this user. */
  readonly listUsage: {
    readonly input: Record<never, never>;
    readonly answer: {
      readonly quotaBytes: number;
      /** as last measured */
      readonly usedBytes: number;
      readonly byKind: {
        readonly repositories: number;
        readonly artifacts: number;
        readonly kv: number;
        readonly queues: number;
        readonly logs: number;
        readonly usage: number;
      };
      readonly handlers: readonly ({
        readonly name: string;
        readonly bytes: number;
        readonly deleted: boolean;
      })[];
      /** custom domains of all handlers, proven or not, and how many a user may have */
      readonly domains: {
        readonly count: number;
        readonly max: number;
      };
      readonly usage: Readonly<Record<string, UsageSummary>>;
    };
  };
  /** GET /queues: Your queues, by name, with what they hold. */
  readonly listQueues: {
    readonly input: {
      readonly query?: {
        /** names after this one */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly queues: readonly (Queue)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** GET /queues/{queue}: One queue with what it holds. */
  readonly showQueue: {
    readonly input: {
      readonly queue: string | number;
    };
    readonly answer: Queue;
  };
  /** PUT /queues/{queue}: Make a queue where there is none; pause or resume it. A first message makes it too. */
  readonly putQueue: {
    readonly input: {
      readonly queue: string | number;
      readonly body?: {
        /** true: nothing of it is delivered */
        readonly isPaused?: boolean;
      };
    };
    readonly answer: Queue;
  };
  /** DELETE /queues/{queue}: Remove a queue and every message in it. There is no way back. */
  readonly deleteQueue: {
    readonly input: {
      readonly queue: string | number;
    };
    readonly answer: void;
  };
  /** POST /queues/{queue}/messages: Publish the body as one message, or with application/x-ndjson a message a line. It is durable with the answer. */
  readonly publish: {
    readonly input: {
      readonly queue: string | number;
      readonly query?: {
        /** a second message with this key within 24 hours is not published; Idempotency-Key stands for it */
        readonly key?: string;
        /** messages of one group are delivered one after the other */
        readonly group?: string;
        readonly delayMs?: number;
      };
      readonly body: string | Uint8Array | ReadableStream<Uint8Array>;
    };
    readonly answer: {
      /** of the message; null for a message a line */
      readonly id: string | null;
      readonly published: number;
      /** whose key had been used */
      readonly duplicates: number;
    };
  };
  /** GET /queues/{queue}/messages: Messages of a queue in the order in which they were published. Reading removes nothing. */
  readonly readQueue: {
    readonly input: {
      readonly queue: string | number;
      readonly query?: {
        /** messages in this state; without it, in any */
        readonly state?: 'ready' | 'inflight' | 'dead' | 'done';
        /** messages after this position */
        readonly after?: number;
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly messages: readonly (QueueMessage)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: number | null;
    };
  };
  /** GET /queues/{queue}/export: All messages as they are now, a line each; gzip and zstd by Accept-Encoding. */
  readonly exportQueue: {
    readonly input: {
      readonly queue: string | number;
      readonly query?: {
        /** messages in this state; without it, in any */
        readonly state?: 'ready' | 'inflight' | 'dead' | 'done';
        /** messages after this position */
        readonly after?: number;
        readonly format?: 'ndjson' | 'csv';
      };
    };
    readonly answer: Response;
  };
  /** POST /queues/{queue}/retry: Deliver dead letters again, all or one. */
  readonly retryQueue: {
    readonly input: {
      readonly queue: string | number;
      readonly body?: {
        /** of one message */
        readonly id?: string;
      };
    };
    readonly answer: {
      readonly messages: number;
    };
  };
  /** POST /queues/{queue}/pause: Deliver nothing of the queue until it is resumed; messages are taken as before. */
  readonly pauseQueue: {
    readonly input: {
      readonly queue: string | number;
    };
    readonly answer: Queue;
  };
  /** POST /queues/{queue}/resume: Deliver messages of a paused queue again. */
  readonly resumeQueue: {
    readonly input: {
      readonly queue: string | number;
    };
    readonly answer: Queue;
  };
  /** POST /queues/{queue}/purge: Remove the messages that the queue holds now, but those that are with a consumer. There is no way back. */
  readonly purgeQueue: {
    readonly input: {
      readonly queue: string | number;
      readonly query?: {
        /** messages in this state; without it, in any */
        readonly state?: 'ready' | 'inflight' | 'dead' | 'done';
      };
    };
    readonly answer: {
      readonly messages: number;
      readonly bytes: number;
    };
  };
  /** GET /handlers/{name}/schedules: Schedules of the live version, by name, with their next ticks and last runs. */
  readonly listSchedules: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly schedules: readonly (Schedule)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** GET /handlers/{name}/calls: Asynchronous calls, newest first; those that ended are kept for a day. */
  readonly listCalls: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
        readonly state?: 'ready' | 'inflight' | 'done' | 'failed' | 'skipped';
      };
    };
    readonly answer: {
      readonly calls: readonly (Call)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /handlers/{name}/calls/{call}/cancel: End an asynchronous call that waits or runs: it has failed for good, and may be tried again. */
  readonly cancelCall: {
    readonly input: {
      readonly name: string | number;
      readonly call: string | number;
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/calls/{call}/retry: Make an asynchronous call that has failed wait again, with all its attempts. */
  readonly retryCall: {
    readonly input: {
      readonly name: string | number;
      readonly call: string | number;
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/schedules/{schedule}/run: Run a schedule now, paused or not. The answer does not wait for the run. */
  readonly runSchedule: {
    readonly input: {
      readonly name: string | number;
      readonly schedule: string | number;
    };
    readonly answer: Schedule;
  };
  /** POST /handlers/{name}/schedules/{schedule}/pause: Let a schedule rest until it is resumed, pushes included. A run that has begun goes on. */
  readonly pauseSchedule: {
    readonly input: {
      readonly name: string | number;
      readonly schedule: string | number;
    };
    readonly answer: Schedule;
  };
  /** POST /handlers/{name}/schedules/{schedule}/resume: Let a paused schedule tick again; ticks of the meantime are not run. */
  readonly resumeSchedule: {
    readonly input: {
      readonly name: string | number;
      readonly schedule: string | number;
    };
    readonly answer: Schedule;
  };
  /** GET /users/{user}: One user. */
  readonly getUser: {
    readonly input: {
      readonly user: string | number;
    };
    readonly answer: {
      readonly user: Account;
    };
  };
  /** PATCH /users/{user}: Suspend a user or not (a suspended user's functions answer 503 `suspended`), make an administrator or not, set limits (null: those of the platform), take a lost second factor away. In force at once. */
  readonly changeUser: {
    readonly input: {
      readonly user: string | number;
      readonly body?: {
        readonly suspended?: boolean;
        readonly admin?: boolean;
        /** handlers that the user may have */
        readonly handlersMax?: number | null;
        /** bytes that the user may store */
        readonly quotaBytes?: number | null;
        /** invocations in flight over all functions of the user */
        readonly callsMax?: number | null;
        /** false takes it away */
        readonly secondFactor?: false;
      };
    };
    readonly answer: {
      readonly user: Account;
    };
  };
  /** DELETE /users/{user}: Delete a user who owns neither functions nor queues, at once and for good: tokens and roles go, versions that the user pushed stay, the name is free. */
  readonly deleteUser: {
    readonly input: {
      readonly user: string | number;
    };
    readonly answer: void;
  };
  /** GET /nodes: Nodes of the cluster by name, with what they serve. */
  readonly listNodes: {
    readonly input: {
      readonly query?: {
        /** `next` of the page before; without it the first page */
        readonly after?: string;
        /** items of the page; default 200 */
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly nodes: readonly ({
        readonly id: string;
        readonly name: string;
        /** away: silent for 3 s, or never joined */
        readonly state: 'serving' | 'starting' | 'away';
        /** base URL of the functions on it */
        readonly url: string | null;
        readonly version: string | null;
        /** whether it serves the newest versions, as far as this control knows them */
        readonly upToDate: boolean;
        /** number of the last change of what is released that it has applied */
        readonly revision: number | null;
        /** functions and previews that it serves */
        readonly labels: number;
        /** labels of the node, which `[placement]` of a manifest can ask for */
        readonly nodeLabels: Readonly<Record<string, string>>;
        /** calls in the last second */
        readonly calls: number;
        readonly inFlight: number;
        readonly memoryBytes: number;
        readonly runners: number;
        /** when it was started */
        readonly sinceMs: number | null;
        readonly joinedMs: number | null;
      })[];
      /** `after` of the next page; null: this is the last one */
      readonly next: string | null;
    };
  };
  /** POST /nodes: Add a node. The answer has the value of TRISIEL_JOIN for `trisiel node`; it is shown once. */
  readonly addNode: {
    readonly input: {
      readonly body: {
        readonly name: string;
      };
    };
    readonly answer: {
      readonly name: string;
      readonly join: string;
    };
  };
  /** POST /nodes/{node}/drain: Let a node finish its calls and end. It may be started again. */
  readonly drainNode: {
    readonly input: {
      readonly node: string | number;
    };
    readonly answer: void;
  };
  /** DELETE /nodes/{node}: Remove a node for good: its token is not valid any more, and it ends. */
  readonly removeNode: {
    readonly input: {
      readonly node: string | number;
    };
    readonly answer: void;
  };
  /** GET /handlers/{name}/drains: Drains of a handler, by name, and how they fare. */
  readonly listDrains: {
    readonly input: {
      readonly name: string | number;
    };
    readonly answer: {
      readonly drains: readonly (Drain)[];
    };
  };
  /** PUT /handlers/{name}/drains/{drain}: Make a drain, which hands on lines that are written from now on, or give it other settings. */
  readonly putDrain: {
    readonly input: {
      readonly name: string | number;
      readonly drain: string | number;
      readonly body: {
        readonly kind: 'otlp' | 'syslog' | 'webhook' | 's3';
        /** otlp, webhook: https URL; syslog: syslog+tls://HOST:PORT; s3: https URL of the store, without the bucket */
        readonly url: string;
        /** fields of each request, for otlp and webhook; never shown */
        readonly headers?: Readonly<Record<string, string>>;
        /** whether lines of requests are handed on too; default false */
        readonly requests?: boolean;
        /** s3 */
        readonly bucket?: string;
        /** s3; default us-east-1 */
        readonly region?: string;
        /** s3: begins the name of each object */
        readonly prefix?: string;
        /** s3; never shown */
        readonly accessKeyId?: string;
        /** s3; never shown */
        readonly secretAccessKey?: string;
      };
    };
    readonly answer: Drain;
  };
  /** DELETE /handlers/{name}/drains/{drain}: Remove a drain. */
  readonly deleteDrain: {
    readonly input: {
      readonly name: string | number;
      readonly drain: string | number;
    };
    readonly answer: void;
  };
  /** GET /drains: Drains of the whole server, by name, and how they fare. */
  readonly listServerDrains: {
    readonly input: Record<never, never>;
    readonly answer: {
      readonly drains: readonly (Drain)[];
    };
  };
  /** PUT /drains/{drain}: Make a drain for the lines of all handlers, or give it other settings. */
  readonly putServerDrain: {
    readonly input: {
      readonly drain: string | number;
      readonly body: {
        readonly kind: 'otlp' | 'syslog' | 'webhook' | 's3';
        /** otlp, webhook: https URL; syslog: syslog+tls://HOST:PORT; s3: https URL of the store, without the bucket */
        readonly url: string;
        /** fields of each request, for otlp and webhook; never shown */
        readonly headers?: Readonly<Record<string, string>>;
        /** whether lines of requests are handed on too; default false */
        readonly requests?: boolean;
        /** s3 */
        readonly bucket?: string;
        /** s3; default us-east-1 */
        readonly region?: string;
        /** s3: begins the name of each object */
        readonly prefix?: string;
        /** s3; never shown */
        readonly accessKeyId?: string;
        /** s3; never shown */
        readonly secretAccessKey?: string;
      };
    };
    readonly answer: Drain;
  };
  /** DELETE /drains/{drain}: Remove a drain of the server. */
  readonly deleteServerDrain: {
    readonly input: {
      readonly drain: string | number;
    };
    readonly answer: void;
  };
  /** POST /handlers/{name}/profile: Watch calls for some seconds, and tell which functions of the program use the gas, through which calls. */
  readonly takeProfile: {
    readonly input: {
      readonly name: string | number;
      readonly body?: {
        readonly seconds?: number;
      };
    };
    readonly answer: GasProfile;
  };
  /** GET /handlers/{name}/audit: What was done to the handler, by whom, from where, newest first; of a deleted one too. */
  readonly listHandlerAudit: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** entries of this user */
        readonly user?: string;
        /** entries of this operation, by its id in this document */
        readonly operation?: string;
        /** `next` of the page before: entries older than that */
        readonly after?: number;
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly entries: readonly (AuditEntry)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: number | null;
    };
  };
  /** GET /handlers/{name}/audit/export: All entries of the handler, a line of JSON each, oldest first. */
  readonly exportHandlerAudit: {
    readonly input: {
      readonly name: string | number;
      readonly query?: {
        /** entries of this user */
        readonly user?: string;
        /** entries of this operation, by its id in this document */
        readonly operation?: string;
        /** entries above this number */
        readonly after?: number;
      };
    };
    readonly answer: Response;
  };
  /** GET /audit: What was done on the platform, by whom, from where, newest first. */
  readonly listAudit: {
    readonly input: {
      readonly query?: {
        /** entries of this user */
        readonly user?: string;
        /** entries of this operation, by its id in this document */
        readonly operation?: string;
        /** `next` of the page before: entries older than that */
        readonly after?: number;
        readonly limit?: number;
      };
    };
    readonly answer: {
      readonly entries: readonly (AuditEntry)[];
      /** `after` of the next page; null: this is the last one */
      readonly next: number | null;
    };
  };
  /** GET /audit/export: All entries, a line of JSON each, oldest first. Kept elsewhere, their hashes prove what stood here. */
  readonly exportAudit: {
    readonly input: {
      readonly query?: {
        /** entries of this user */
        readonly user?: string;
        /** entries of this operation, by its id in this document */
        readonly operation?: string;
        /** entries above this number */
        readonly after?: number;
      };
    };
    readonly answer: Response;
  };
}
