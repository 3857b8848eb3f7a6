/** One Deployment as the database has it. */
import type { Selectable } from 'kysely';
import type { Schema } from '../db/schema.ts';

export type DeploymentRow = Selectable<Schema['deployments']>;

/** Name that stands for the deploy branch. Previews have the name of their branch instead. */
export const deployBranch = '';
