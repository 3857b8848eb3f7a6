/** A vet child whose module makes the engine take all memory: stands for a compile bomb past every static cap. */
const kept: Buffer[] = [];
process.on('message', () => {
  const grow = () => {
    kept.push(Buffer.alloc(16 * 1024 * 1024, kept.length + 1));
    setImmediate(grow);
  };
  grow();
});
