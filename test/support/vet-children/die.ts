/** A vet child that the engine takes down. */
process.on('message', () => process.abort());
