/** A vet child whose event loop never returns. */
process.on('message', () => {
  for (;;);
});
