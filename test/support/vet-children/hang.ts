/** A vet child that never comes back, its event loop included. */
process.on('message', () => {
  for (;;);
});
