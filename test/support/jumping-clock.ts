/**
 * Loaded before a program (node --import): its wall clock jumps at each SIGUSR2, first an hour ahead, then two
 * back, then one ahead, as after a wrong time server. performance.now() and timers go on as the system's do.
 */
const hourMs = 60 * 60_000;
const jumpsMs = [hourMs, -2 * hourMs, hourMs];
let offsetMs = 0;

const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: unknown[], newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now() + offsetMs] : given, newTarget) as object,
  get: (target, name, receiver) =>
    name === 'now' ? () => RealDate.now() + offsetMs : (Reflect.get(target, name, receiver) as unknown),
});

process.on('SIGUSR2', () => {
  offsetMs += jumpsMs.shift() ?? 0;
  process.stderr.write(`clock offset ${offsetMs} ms\n`);
});
