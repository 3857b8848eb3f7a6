/** Formats handlers. */
import type { HandlerView } from '../../src/protocol/views.ts';
import { formatAgo, formatDate } from './format.ts';
import { table } from './table.ts';

export function stateText(handler: HandlerView): string {
  if (handler.state === 'empty') return 'nothing deployed';
  return handler.version === null ? handler.state : `${handler.state} v${handler.version}`;
}

/** Returns the names that a handler had before as pairs of a list of facts, the newest first; none: no pairs. */
export function formerNameFacts({ formerNames }: HandlerView, nowMs: number): readonly (readonly [string, string])[] {
  return formerNames.map(({ name, keptUntilMs }, at) => [
    at === 0 ? 'formerly' : '',
    keptUntilMs > nowMs
      ? `${name}, which is kept for its owner until ${formatDate(keptUntilMs)}`
      : `${name}, until somebody takes it`,
  ]);
}

export function handlerTable(handlers: readonly HandlerView[], nowMs: number): string[] {
  const areOwn = handlers.every(({ role }) => role === 'owner');
  const areRenamed = handlers.some(({ formerNames }) => formerNames.length > 0);
  const rows = handlers.map((handler) => [
    handler.name,
    handler.state,
    handler.version === null ? '-' : `v${handler.version}`,
    handler.deployedMs === null ? 'never' : formatAgo(handler.deployedMs, nowMs),
    ...(areOwn ? [] : [handler.role === 'owner' ? 'owner' : `${handler.role} of ${handler.owner}`]),
    ...(areRenamed ? [handler.formerNames.map(({ name }) => name).join(' ') || '-'] : []),
    handler.url,
  ]);
  return table(
    [
      { title: 'NAME' },
      { title: 'STATE' },
      { title: 'LIVE' },
      { title: 'DEPLOYED' },
      ...(areOwn ? [] : [{ title: 'ROLE' }]),
      ...(areRenamed ? [{ title: 'FORMERLY' }] : []),
      { title: 'URL' },
    ],
    rows,
  );
}
