/** AssemblyScript: strings and arrays under its own collector; grows its memory when it starts to allocate. */
@external("cwa", "io_get_stdout")
declare function ioGetStdout(): i32;
@external("cwa", "resource_write")
declare function resourceWrite(fd: i32, data: usize, bytes: i32): i32;

export function cwa_main(): i32 {
  const words: string[] = [];
  for (let i = 0; i < 20; i++) words.push(`word ${i} of ${words.length}`);
  const large = new Uint8Array(100_000).fill(7);
  const text = String.UTF8.encode(`content-type: text/plain\n\n${words.join(", ")}\n`);
  resourceWrite(ioGetStdout(), changetype<usize>(text), text.byteLength);
  return large[99_999] - 7;
}
