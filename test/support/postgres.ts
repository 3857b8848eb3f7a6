/** PostgreSQL servers for tests; the demo of a cluster starts the same. */
export {
  type PostgresServer,
  postgresMissing,
  postgresPassword,
  startPostgres,
} from '../../src/bin/postgres-server.ts';
