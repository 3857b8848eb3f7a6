/** Formats handlers. */
import type { HandlerView } from '../../src/protocol/nouns.ts';
import { formatAgo } from './format.ts';
import { table } from './table.ts';

export function stateText(handler: HandlerView): string {
  if (handler.state === 'empty') return 'nothing deployed';
  return handler.version === null ? handler.state : `${handler.state} v${handler.version}`;
}

export function handlerTable(handlers: readonly HandlerView[], nowMs: number): string[] {
  const areOwn = handlers.every(({ role }) => role === 'owner');
  const rows = handlers.map((handler) => [
    handler.name,
    handler.state,
    handler.version === null ? '-' : `v${handler.version}`,
    handler.deployedMs === null ? 'never' : formatAgo(handler.deployedMs, nowMs),
    ...(areOwn ? [] : [handler.role === 'owner' ? 'owner' : `${handler.role} of ${handler.owner}`]),
    handler.url,
  ]);
  return table(
    [
      { title: 'NAME' },
      { title: 'STATE' },
      { title: 'LIVE' },
      { title: 'DEPLOYED' },
      ...(areOwn ? [] : [{ title: 'ROLE' }]),
      { title: 'URL' },
    ],
    rows,
  );
}
