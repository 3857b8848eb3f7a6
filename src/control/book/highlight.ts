/** Marks comments, text in quotes and typed commands in the code of a page. */
import { escapeHtml } from './html.ts';

const slashes = String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/`;
const hash = String.raw`(?<![^\s])#[^\n]*`;
const quoted = String.raw`"(?:[^"\\\n]|\\.)*"`;

/** Comments of each language that a page may name behind its three backticks. */
const comments: Readonly<Record<string, string>> = {
  ...{ c: slashes, rust: slashes, go: slashes, ts: slashes, js: slashes, zig: slashes, wit: slashes },
  ...{ toml: hash, sh: hash, python: hash, yaml: hash },
};

/** Returns code as HTML. A language that is not known stays plain. */
export function highlighted(code: string, language: string): string {
  if (language === 'console') return escapeHtml(code).replace(/^\$ (?:.*\\\n)*.*$/gm, (command) => `<b>${command}</b>`);
  const comment = Object.hasOwn(comments, language) ? comments[language] : undefined;
  if (comment === undefined) return escapeHtml(code);
  let html = '';
  let end = 0;
  for (const { 0: text, index } of code.matchAll(new RegExp(`${quoted}|${comment}`, 'g'))) {
    const element = text.startsWith('"') ? 'span' : 'i';
    html += `${escapeHtml(code.slice(end, index))}<${element}>${escapeHtml(text)}</${element}>`;
    end = index + text.length;
  }
  return html + escapeHtml(code.slice(end));
}
