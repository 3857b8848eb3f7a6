// Finds the Node that package.json pins. Plain JavaScript for Node 14 and later: launchers run on any installed Node.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Returns the path of a Node 26 for the program in folder `root`; null when there is none. */
export function findNode(root) {
  const names = ['node_modules/node/bin/node', 'node_modules/node/bin/node.exe', 'node_modules/.bin/node'];
  for (const name of names) {
    const path = join(root, name);
    if (existsSync(path)) return path;
  }
  // A Node that runs the launcher and is as new or newer serves as well.
  return Number(process.versions.node.split('.')[0]) >= 26 ? process.execPath : null;
}
