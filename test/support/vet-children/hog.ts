/** A vet child whose module makes the engine use up all memory, like a compile bomb that passes every static limit. */
const kept: Buffer[] = [];
process.on('message', () => {
  const grow = () => {
    kept.push(Buffer.alloc(16 * 1024 * 1024, kept.length + 1));
    setImmediate(grow);
  };
  grow();
});
