// Runs before `npm start` and `npm run demo`, and says in one line what is missing. Plain JavaScript for Node 14 and
// later.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (!existsSync(join(root, 'node_modules', 'pino'))) fail('the dependencies are not installed');
// npm puts node_modules/.bin in front of PATH, so the pinned Node runs this file if it is installed.
else if (Number(process.versions.node.split('.')[0]) < 26) fail(`Node 26 is missing, this is ${process.version}`);

function fail(what) {
  process.stderr.write(`trisiel: ${what}; run this first: npm ci\n`);
  process.exitCode = 1;
}
