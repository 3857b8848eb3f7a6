/** new: a folder with a function to begin with */

import { dirname, join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { checkHandlerName } from '../../src/protocol/names.ts';
import { keysOf } from '../../src/protocol/record-of.ts';
import type { Context } from '../context.ts';
import { type ScaffoldName, scaffoldLanguages, templatesIn, writeScaffold } from '../scaffold.ts';
import { embeddedTemplates, isSingleFile } from '../single-file.ts';

const languages = keysOf(scaffoldLanguages);

export function addNewCommand(program: Command, context: Context): void {
  program
    .command('new')
    .description('make a folder with a function, its manifest, a build script and a CI recipe')
    .argument('<language>', languages.join(', '), parseLanguage)
    .argument('<name>', 'name of the handler, and of the folder')
    .option('--folder <path>', 'another folder, missing or empty')
    .action(async (language: ScaffoldName, name: string, options: { readonly folder?: string }) => {
      checkHandlerName(name);
      const folder = resolve(options.folder ?? name);
      const templates = isSingleFile
        ? await embeddedTemplates()
        : templatesIn(join(dirname(dirname(context.environment.launcher)), 'scaffolds'));
      const files = await writeScaffold({ templates, language, name, folder });
      const { simpleGit } = await import('simple-git');
      await simpleGit(folder).init(['--initial-branch=main']);
      context.result({ name, language, folder, files }, [
        ...files.map((file) => `  ${file}`),
        `made ${name} in ${folder}`,
      ]);
      if (context.json) return;
      context.out.note(`hint: cd ${options.folder ?? name} && ./setup.sh && ./build.sh && wasmcloud create ${name}`);
      context.out.note("hint: git add --all && git commit -m 'First version' && git push wasmcloud main");
    });
}

function parseLanguage(text: string): ScaffoldName {
  const language = languages.find((known) => known === text.toLowerCase());
  if (language === undefined) throw new InvalidArgumentError(`It must be one of ${languages.join(', ')}.`);
  return language;
}
