/**
 * Splits text into words by a subset of a shell's rules: spaces separate, quotes keep together, a backslash takes the
 * next character literally.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i] ?? '';
    if (character === '\\' && quote !== "'" && i + 1 < text.length) {
      i += 1;
      word = (word ?? '') + text[i];
    } else if (quote !== null) {
      if (character === quote) quote = null;
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (character === ' ') {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + character;
    }
  }
  return word === null ? words : [...words, word];
}
