/** Colours of names; a name always has the same. Red and yellow are reserved for errors and warnings. */
const palette = [
  'cyan',
  'green',
  'magenta',
  'blue',
  'cyanBright',
  'greenBright',
  'magentaBright',
  'blueBright',
] as const;

export type NameColour = (typeof palette)[number];

export function colourOf(name: string): NameColour {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return palette[(hash >>> 0) % palette.length] ?? 'cyan';
}
