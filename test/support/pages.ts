/** Returns the bytes of an exported or host-made memory, for comparison; null without one. */
export function pageBytesOf(memory: WebAssembly.ExportValue | WebAssembly.Memory | null | undefined): Buffer | null {
  return memory instanceof WebAssembly.Memory ? Buffer.from(memory.buffer) : null;
}
