/** Makes the part of each page of docs/languages that shows the scaffold of the language, file by file. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ScaffoldName, scaffoldLanguages } from '../ui-cli/scaffold.ts';

const templates = join(import.meta.dirname, '../scaffolds');

/** Languages for blocks of code, by the end of a file's name. */
const blocks: Readonly<Record<string, string>> = {
  ...{ c: 'c', rs: 'rust', go: 'go', ts: 'ts', js: 'js', mjs: 'js', py: 'python', zig: 'zig', h: 'h' },
  // A block of `toml` would be read as a manifest by a test; Cargo.toml is none.
  ...{ sh: 'sh', toml: 'text', json: 'json', mod: 'text', txt: 'text' },
};

/** Returns the pages, with the part that is written from the scaffold. */
export function languageParts(): readonly (readonly [file: string, text: string])[] {
  return (Object.keys(scaffoldLanguages) as ScaffoldName[]).map((name) => [
    `docs/languages/${name}.md`,
    scaffoldText(name),
  ]);
}

function scaffoldText(name: ScaffoldName): string {
  const { title, source, needs, setup, module } = scaffoldLanguages[name];
  const folder = join(templates, name);
  const files = globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('dot-'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  // The program first, then what builds it.
  const order = (file: string): number => (file === source ? 0 : file === 'build.sh' ? 1 : 2);
  const shown = files.sort((a, b) => order(a) - order(b) || a.localeCompare(b));
  return [
    shellBlock([`wasmcloud new ${name} hello`, 'cd hello']),
    `makes a folder with these files, a manifest, a script that deploys and a recipe for continuous integration. You need ${needs}; ` +
      `\`./setup.sh\` ${setup}.`,
    ...shown.map((file) => {
      const text = readFileSync(join(folder, file), 'utf8').replaceAll('@NAME@', 'hello').trimEnd();
      const language = blocks[file.slice(file.lastIndexOf('.') + 1)] ?? 'text';
      // Names in these blocks are set beside them: blocks with a name are files of pages whose commands are run.
      return `\`${file}\`:\n\n\`\`\`${language}\n${text}\n\`\`\``;
    }),
    shellBlock([
      './build.sh',
      `wasmcloud run --request 'GET /' ${module}`,
      'wasmcloud create hello',
      "git add --all && git commit -m 'First version'",
      'git push wasmcloud main',
    ]),
    `The push answers with the URL. \`test/e2e/scaffolds.test.ts\` builds this scaffold of ${title}, pushes and calls it wherever the ` +
      'tools are there.',
  ].join('\n\n');
}

function shellBlock(commands: readonly string[]): string {
  return `\`\`\`sh\n${commands.join('\n')}\n\`\`\``;
}
