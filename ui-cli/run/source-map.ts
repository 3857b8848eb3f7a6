/** Finds the source lines of a program for `wasmcloud run`, where a push would find them. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isComponent } from '../../src/guest/component/recognise.ts';
import { isRelativeUrl, readSourceMapUrl } from '../../src/guest/wasm/lines/debug-sections.ts';
import { type SourceLines, sourceLineLimits } from '../../src/guest/wasm/lines/rows.ts';
import { readSourceLines } from '../../src/guest/wasm/lines/source-lines.ts';

/** Returns the lines of the program in `file`, from the program itself or a source map beside it; null: it has none. */
export async function linesOf(program: Uint8Array, file: string): Promise<SourceLines | null> {
  if (isComponent(program)) return null;
  const url = readSourceMapUrl(program);
  return readSourceLines(program, url !== null && isRelativeUrl(url) ? await readMap(join(dirname(file), url)) : null);
}

/** The map only adds lines to stacks, so one that cannot be read is none. */
async function readMap(path: string): Promise<Uint8Array | null> {
  try {
    const facts = await stat(path);
    return facts.isFile() && facts.size <= sourceLineLimits.mapBytes ? await readFile(path) : null;
  } catch {
    return null;
  }
}
