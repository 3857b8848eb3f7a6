/** `/`: tells what this server is and which commands to type, with its real addresses; as plain text for programs. */
import { escapeHtml } from '../book/html.ts';

export interface Addresses {
  /** Public base URL of the API and of git, known once the port listens. */
  readonly serverUrl: () => string;
  readonly gitUrl: (name: string) => string;
  readonly functionUrl: (name: string) => string;
  readonly functionPathUrl: (name: string) => string;
}

interface Step {
  readonly text: string;
  /** Commands to type, one per line. */
  readonly commands: readonly string[];
}

const steps = (addresses: Addresses): readonly Step[] => [
  {
    text: 'Once, in a clone of Trisiel after `npm ci` and `npm link`: make an account, with a code of the operator. Who has one types `wasmcloud login NAME` instead.',
    commands: [`export WASMCLOUD_SERVER=${addresses.serverUrl()}`, 'wasmcloud signup NAME --invite CODE'],
  },
  {
    text: 'Push a repository that holds one built .wasm; the push answers with the URL:',
    commands: ['wasmcloud create', 'git push wasmcloud main'],
  },
  { text: 'See its log, live, and everything else:', commands: ['wasmcloud logs --follow', 'wasmcloud'] },
];

const places = (addresses: Addresses): readonly (readonly [string, string])[] => [
  ['functions', addresses.functionUrl('NAME')],
  ['or by path', addresses.functionPathUrl('NAME')],
  ['repositories', addresses.gitUrl('NAME')],
  ['first steps', `${addresses.serverUrl()}/docs/first-function`],
  ['the book', `${addresses.serverUrl()}/docs`],
  ['imports', `${addresses.serverUrl()}/docs/imports`],
  ['status', `${addresses.serverUrl()}/status`],
  ['API', `${addresses.serverUrl()}/api/v1/openapi.json`],
];

const title = 'This is Trisiel, a platform for WebAssembly functions';
const intro =
  'You push a git repository that holds a built .wasm; the push answers with the URL of the running function.';

export function frontText(addresses: Addresses): string {
  const width = Math.max(...places(addresses).map(([name]) => name.length));
  return [
    title,
    intro,
    '',
    ...steps(addresses).flatMap(({ text, commands }) => [text, ...commands.map((command) => `    ${command}`), '']),
    ...places(addresses).map(([name, url]) => `${name.padEnd(width)}  ${url}`),
    '',
  ].join('\n');
}

export function frontHtml(addresses: Addresses): string {
  const link = (url: string) =>
    url.includes('NAME') ? `<code>${escapeHtml(url)}</code>` : `<a href="${escapeHtml(url)}">${escapeHtml(url)}</a>`;
  return [
    `<main>\n<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(intro)}`,
    '<h2>Begin</h2>\n<ol>',
    ...steps(addresses).map(
      ({ text, commands }) =>
        `<li><p>${escapeHtml(text).replace(/`([^`]*)`/g, '<code>$1</code>')}\n<pre tabindex="0">${escapeHtml(commands.join('\n'))}</pre>`,
    ),
    '</ol>\n<h2>What is where</h2>\n<table class="places">',
    ...places(addresses).map(([name, url]) => `<tr><th scope="row">${escapeHtml(name)}<td>${link(url)}`),
    '</table>\n</main>',
  ].join('\n');
}
