/**
 * The next version of the platform, for tests of upgrades: a copy of this one that has what a next version may have.
 * Its messages have further properties, its controls and nodes send kinds and commands that this version does not know,
 * its database has one more migration, with a column that this version does not write, and what it releases has further
 * kinds.
 */
import { type Change, copyPrograms, type ProgramCopy } from './program-copy.ts';

export const nextVersion = '0.2.0';

const migration = `\
  '9999-next': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('users').addColumn('mood', 'text', (column) => column.notNull().defaultTo('good')).execute();
      await db.schema.alterTable('handlers').addColumn('colour', 'text').execute();
      await db.schema.createTable('weather').addColumn('day', 'text', (column) => column.primaryKey()).execute();
      await db.schema.createIndex('handlers_colour').on('handlers').column('colour').execute();
    },
  },
};

/** Names of all migrations`;

const changes: readonly Change[] = [
  { file: 'src/protocol/program-version.ts', from: "'0.1.0'", to: `'${nextVersion}'` },
  { file: 'src/control/db/migrate.ts', from: '};\n\n/** Names of all migrations', to: migration },
  // Nodes.
  {
    file: 'src/bus/messages.ts',
    from: '  isServing: z.boolean(),\n  /** Whether the node has not',
    to: '  temperature: z.number().optional(),\n  isServing: z.boolean(),\n  /** Whether the node has not',
  },
  {
    file: 'src/node/agent.ts',
    from: '    this.#bus.publish(subjects.alive(nodeId), kinds.alive, alive);',
    to: `    this.#bus.publish(subjects.alive(nodeId), kinds.alive, { ...alive, temperature: 21 });
    this.#bus.publish(subjects.alive(nodeId), 'alive-2', { id: nodeId, revision: 'of another form' });`,
  },
  // Controls.
  {
    file: 'src/bus/messages.ts',
    from: "  z.object({ command: z.literal('logged') }),",
    to: "  z.object({ command: z.literal('logged') }),\n  z.object({ command: z.literal('hibernate'), ids: z.array(z.string()) }),",
  },
  {
    file: 'src/bin/cluster-serving.ts',
    from: '      revision: feed.revision,\n    });\n  };',
    to: `      revision: feed.revision,
      moon: 'full',
    });
    live.command({ command: 'hibernate', ids: [...known.keys()] });
    bus.publish(subjects.control(controlId), 'control-2', { id: controlId });
  };`,
  },
  {
    file: 'src/bin/cluster-serving.ts',
    from: 'platformId: options.platformId, domain: options.domain },',
    to: "platformId: options.platformId, domain: options.domain, season: 'spring' },",
  },
];

/** Makes the copy. */
export function copyNextVersion(): Promise<ProgramCopy> {
  return copyPrograms(changes);
}
