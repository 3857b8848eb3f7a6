/** Names and ids of handlers are not taken for each other: what the compiler notices, as types that are compiled. */
import type { Selectable } from 'kysely';
import { expect, test } from 'vitest';
import type { Schema } from '../../src/control/db/schema.ts';
import { type HandlerId, type HandlerName, handlerIdOf, handlerNameOf } from '../../src/protocol/names.ts';

type Takes<Parameter, Value> = Value extends Parameter ? true : false;
type Handler = Selectable<Schema['handlers']>;

test('a name is not taken for an id, nor an id for a name, also as the database gives them', () => {
  const takes: {
    readonly nameForId: Takes<HandlerId, HandlerName>;
    readonly idForName: Takes<HandlerName, HandlerId>;
    readonly nameColumn: Takes<HandlerId, Handler['name']>;
    readonly idColumn: Takes<HandlerId, Handler['id']>;
  } = { nameForId: false, idForName: false, nameColumn: false, idColumn: true };
  expect(takes.idColumn).toBe(true);
  expect([handlerIdOf('a'), handlerNameOf('b')]).toEqual(['a', 'b']);
});
