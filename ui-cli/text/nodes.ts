/** Formats the nodes of a cluster. */
import { labelsText } from '../../src/protocol/placement.ts';
import type { NodeLine } from '../../src/protocol/views.ts';
import { formatAgo, formatBytes, formatCount } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function nodeTable(nodes: readonly NodeLine[], nowMs: number): string[] {
  return table(
    ['NODE', 'STATE', 'URL', 'LABELS', 'VERSION', 'REVISION', 'SERVES', 'CALLS/S', 'RUNNERS', 'MEMORY', 'SINCE'].map(
      (title) => ({
        title,
      }),
    ),
    nodes.map((node) => [
      visible(node.name),
      node.state === 'serving' && !node.upToDate ? 'serving old' : node.state,
      visible(node.url ?? '-'),
      visible(labelsText(node.nodeLabels) || '-'),
      visible(node.version ?? '-'),
      node.revision === null ? '-' : String(node.revision),
      formatCount(node.labels),
      formatCount(node.calls),
      String(node.runners),
      formatBytes(node.memoryBytes),
      node.sinceMs === null ? '-' : formatAgo(node.sinceMs, nowMs),
    ]),
  );
}
