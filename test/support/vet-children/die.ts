/** A vet child that the engine aborts. */
process.on('message', () => process.abort());
