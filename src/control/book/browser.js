/** Runs in the browser on pages of the book: theme, table of contents, search. Without it every page can be read. */
const themes = ['auto', 'light', 'dark'];
const here = document.currentScript.src;

function keptTheme() {
  try {
    return themes.includes(localStorage.theme) ? localStorage.theme : 'auto';
  } catch {
    return 'auto'; // Storage is closed, as in some private windows.
  }
}

function useTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.theme = theme;
  } catch {
    // The theme holds for this page.
  }
}

// Before the first frame, so that a chosen theme never flashes.
document.documentElement.dataset.theme = keptTheme();

document.addEventListener('DOMContentLoaded', () => {
  startTheme(document.querySelector('header button'));
  startSearch(document.querySelector('form[role=search]'));
  const contents = document.querySelector('.contents details');
  if (contents !== null) contents.open = matchMedia('(min-width: 80rem)').matches;
});

function startTheme(button) {
  const show = () => {
    button.textContent = `Theme: ${keptTheme()}`;
  };
  button.addEventListener('click', () => {
    useTheme(themes[(themes.indexOf(keptTheme()) + 1) % themes.length]);
    show();
  });
  show();
  button.hidden = false;
}

function startSearch(form) {
  const field = form.querySelector('input');
  const list = form.querySelector('ol');
  const status = form.querySelector('[role=status]');
  const index = new URL(form.dataset.index, location.href).href;
  let loading = null;
  // The index is a script and not JSON, so that the static site works from a folder too, where nothing may be fetched.
  const load = () => {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = index;
      script.onload = () => resolve(globalThis.trisielBook);
      script.onerror = reject;
      document.head.append(script);
    });
    return loading;
  };
  const show = async () => {
    const asked = field.value;
    const rows = await load();
    if (asked !== field.value) return; // More was typed meanwhile.
    const found = asked.trim() === '' ? [] : search(rows, asked);
    list.replaceChildren(...found.slice(0, 20).map(({ row, snippet }) => resultOf(row, snippet)));
    status.textContent = asked.trim() === '' ? '' : `${found.length} found`;
  };
  const clear = () => {
    field.value = '';
    list.replaceChildren();
    field.focus();
  };
  field.addEventListener('focus', load, { once: true });
  field.addEventListener('input', show);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    list.querySelector('a')?.click();
  });
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') return clear();
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const stops = [field, ...list.querySelectorAll('a')];
    const at = stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
    stops.at(at % stops.length)?.focus();
    event.preventDefault();
  });
  document.addEventListener('keydown', (event) => {
    const isTyping = /^(?:INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? '');
    if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
  });
  document.addEventListener('click', (event) => {
    if (!form.contains(event.target)) list.replaceChildren();
  });
  form.hidden = false;
}

/** Returns the sections that have every word, best first: a word in a heading counts more than one in the text. */
function search(rows, asked) {
  const words = asked
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = [];
  for (const row of rows) {
    const [, page, heading, text] = row;
    const names = `${page} ${heading}`.toLowerCase();
    const body = text.toLowerCase();
    let score = 0;
    for (const word of words) {
      const of =
        (names.includes(word) ? 10 : 0) +
        (heading.toLowerCase().startsWith(word) ? 10 : 0) +
        (body.includes(word) ? 1 : 0);
      score = of === 0 ? Number.NEGATIVE_INFINITY : score + of;
    }
    if (score > 0) found.push({ row, score, snippet: snippetOf(text, body.indexOf(words[0])) });
  }
  return found.sort((a, b) => b.score - a.score);
}

function snippetOf(text, at) {
  const from = Math.max(0, at - 50);
  return `${from > 0 ? '…' : ''}${text.slice(from, from + 140)}${text.length > from + 140 ? '…' : ''}`;
}

/** Everything from the index becomes text, never HTML. */
function resultOf([url, page, heading], snippet) {
  const link = document.createElement('a');
  link.href = new URL(url, here).href;
  link.textContent = heading === '' || heading === page ? page : `${page}: ${heading}`;
  const small = document.createElement('small');
  small.textContent = snippet;
  link.append(small);
  const item = document.createElement('li');
  item.append(link);
  return item;
}
