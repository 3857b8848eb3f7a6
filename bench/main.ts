/** `npm run bench -- NAME [args]` runs bench/NAME.ts; without a name it lists the benches. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A bench's file header says how to start it; other files are parts of benches. */
const benches = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -3))
  .filter((name) => readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8').includes(`npm run bench -- ${name}`));
const [name] = process.argv.slice(2);
if (name === undefined || !benches.includes(name)) {
  console.error(`usage: npm run bench -- NAME [args]\nnames: ${benches.join(', ')}`);
  process.exitCode = 1;
} else {
  process.argv.splice(2, 1);
  await import(`./${name}.ts`);
}
