/** Shows bytes as `hexdump -C` does: offset, sixteen bytes, and the printable ASCII among them. */

const perLine = 16;

export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += perLine) lines.push(hexLine(bytes.subarray(at, at + perLine), at));
  return lines.length === 0 ? ['(empty)'] : lines;
}

function hexLine(bytes: Uint8Array, offset: number): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
  const left = hex.slice(0, 8).join(' ');
  const right = hex.slice(8).join(' ');
  const text = [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  return `${offset.toString(16).padStart(8, '0')}  ${left.padEnd(23)}  ${right.padEnd(23)}  |${text}|`;
}
