/**
 * Knows whether this program is one file with Node.js in it (build-single.ts), and reads what that file carries besides
 * the code.
 */
import type { Template, TemplateSource } from './scaffold.ts';

/** Defined by build-single.ts; undefined in every other form of the program. */
declare const WASMCLOUD_SINGLE: true | undefined;

/**
 * Whether the program is one executable file: `process.execPath` is then the program itself, and takes its words at
 * once.
 */
export const isSingleFile = typeof WASMCLOUD_SINGLE === 'boolean';

/** Name under which the file carries the templates of scaffolds/. */
export const templatesAsset = 'scaffolds.json';

/** Returns the templates that this executable file carries. Throws where the program is no such file. */
export async function embeddedTemplates(): Promise<TemplateSource> {
  const { getAsset } = await import('node:sea');
  // Written by build-single.ts, together with this code.
  const parts = JSON.parse(getAsset(templatesAsset, 'utf8')) as Readonly<Record<string, readonly Template[]>>;
  return async (part) => parts[part] ?? [];
}
