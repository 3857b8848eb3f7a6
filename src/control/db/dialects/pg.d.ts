/**
 * Declares the part of the package `pg` that postgres-pool.ts uses, so that this file shows what an upgrade of the
 * package must not change.
 */
declare module 'pg' {
  export interface QueryResult {
    readonly command: string;
    readonly rowCount: number | null;
    readonly rows: Record<string, unknown>[];
  }

  export interface PoolClient {
    query(sql: string, parameters: readonly unknown[]): Promise<QueryResult>;
    /** Reports a connection that is lost while no statement runs. Without a listener the error ends the process. */
    on(event: 'error', listener: (error: Error) => void): this;
    removeListener(event: 'error', listener: (error: Error) => void): this;
    /** Returns the connection to the pool; `true` closes it. */
    release(destroy?: boolean): void;
  }

  export interface PoolConfig {
    readonly connectionString: string;
    readonly max: number;
    readonly connectionTimeoutMillis: number;
    readonly idleTimeoutMillis: number;
    readonly keepAlive: boolean;
    readonly keepAliveInitialDelayMillis: number;
    readonly application_name: string;
    readonly statement_timeout: number | false;
    readonly idle_in_transaction_session_timeout: number | false;
    readonly options: string;
    readonly types: {
      getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown;
    };
  }

  export class Pool {
    constructor(config: PoolConfig);
    connect(): Promise<PoolClient>;
    end(): Promise<void>;
    on(event: 'error', listener: (error: Error) => void): this;
  }

  export const types: {
    getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown;
  };
}
