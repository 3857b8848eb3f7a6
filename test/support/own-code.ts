/** The code of src and ui-cli as the compiler reads it, for tests that hold rules of writing. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { API, type Checker } from 'typescript/unstable/sync';

export interface OwnFile {
  /** Path in the repository. */
  readonly path: string;
  readonly source: SourceFile;
  readonly text: string;
}

export interface OwnCode {
  readonly files: readonly OwnFile[];
  readonly checker: Checker;
  /** Ends the compiler's process. */
  close(): void;
}

/** Reads the files in `folders` of the project whose tsconfig.json is in `root`. */
export function readOwnCode(
  root = join(import.meta.dirname, '../..'),
  folders: readonly string[] = ['src', 'ui-cli'],
): OwnCode {
  const api = new API({ cwd: root });
  const [project] = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects();
  const { program, checker } = project!;
  const files = program
    .getSourceFileNames()
    .map((name) => ({ name, path: relative(root, name) }))
    .filter(({ path }) => folders.includes(path.split('/')[0]!))
    .map(({ name, path }) => ({ path, source: program.getSourceFile(name)!, text: readFileSync(name, 'utf8') }));
  return { files, checker, close: () => api.close() };
}

/** Returns the line on which a node begins, its comment aside; the first line is 1. */
export function lineOf(node: Node, text: string): number {
  return text.slice(0, node.getStart()).split('\n').length;
}
