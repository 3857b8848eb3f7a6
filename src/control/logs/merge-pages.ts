/** Joins pages of several handlers' logs into one. Cursors grow over all handlers, so lines are ordered by them. */
import type { LogLine } from '../../protocol/nouns.ts';
import type { LogPage, LogQuery } from '../../protocol/ports.ts';
import { queryLimits } from './log-query.ts';

/**
 * Returns one page of the given ones, which answer the same query for different handlers. The page ends where the first
 * of them ended, so no line is skipped: others may have lines beyond that are returned with the next page.
 */
export function mergePages(pages: readonly LogPage[], query: Pick<LogQuery, 'after' | 'limit'>): LogPage {
  const limit = Math.min(query.limit ?? queryLimits.defaultLines, queryLimits.lines);
  const isForward = query.after !== undefined;
  const open = pages.filter(({ more }) => more);
  const all = pages.flatMap(({ lines }) => lines).sort((a, b) => a.cursor - b.cursor);
  const stopped = pages.some((page) => page.stopped);
  const expired = pages.reduce((sum, page) => sum + page.expired, 0);
  if (isForward) {
    const edge = Math.min(...open.map(({ cursor }) => cursor));
    const seen = all.filter(({ cursor }) => cursor <= edge);
    const lines = seen.slice(0, limit);
    const isCut = lines.length < seen.length;
    const last = isCut ? (lines.at(-1) as LogLine).cursor : edge;
    return {
      ...{ lines, stopped, expired, more: isCut || open.length > 0 },
      cursor: Number.isFinite(last) ? last : Math.max(...pages.map(({ cursor }) => cursor)),
      before: lines[0]?.cursor ?? query.after + 1,
    };
  }
  const edge = Math.max(...open.map(({ before }) => before ?? 0));
  const seen = all.filter(({ cursor }) => cursor >= edge);
  const lines = seen.slice(Math.max(0, seen.length - limit));
  const isCut = lines.length < seen.length;
  const more = isCut || open.length > 0;
  const first = isCut ? (lines[0] as LogLine).cursor : edge;
  return {
    ...{ lines, stopped, expired, more },
    cursor: Math.max(...pages.map(({ cursor }) => cursor)),
    before: more ? first : null,
  };
}
