/**
 * `npm run mutate [NAME…]`: takes out one protection at a time and runs the tests that should notice. Prints a line for
 * each and exits 1 if one stayed unnoticed, or if its tests fail without any change. Not part of CI: it takes minutes.
 * `npm run mutate -- --sample N [--seed S]`: the same with N conditions of the source that no protection names
 * (sample.ts).
 */
import { parseArgs } from 'node:util';
import { Checkout } from './checkout.ts';
import { type Protection, protections } from './protections.ts';
import { runSample } from './sample.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sample: { type: 'string' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } },
});

const [count, seed] = [Number(values.sample), Number(values.seed)];
if (values.sample === undefined) await runNamed(positionals);
else if (count >= 1 && Number.isSafeInteger(count) && Number.isSafeInteger(seed)) await runSample(count, seed);
else throw new Error('--sample and --seed are whole numbers, the first at least 1');

async function runNamed(wanted: readonly string[]): Promise<void> {
  const chosen = protections.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
  if (chosen.length === 0) {
    console.error(`no protection is named like ${wanted.join(' or ')}; there are:`);
    for (const { name } of protections) console.error(`  ${name}`);
    process.exitCode = 1;
    return;
  }
  const checkout = new Checkout();
  let noticed = 0;
  try {
    for (const protection of chosen) {
      const result = await resultOf(protection, checkout);
      console.log(`${result.padEnd(10)} ${protection.name}`);
      if (result === 'noticed') noticed += 1;
    }
  } finally {
    checkout.remove();
  }
  console.log(`${noticed} of ${chosen.length} noticed (${Math.round((100 * noticed) / chosen.length)} %)`);
  if (noticed < chosen.length) process.exitCode = 1;
}

/** Says BROKEN where tests fail without any change. */
async function resultOf({ file, find, replace, tests }: Protection, checkout: Checkout): Promise<string> {
  if (!(await checkout.passUnchanged(tests))) return 'BROKEN';
  const change = (text: string) => text.replace(find, () => replace);
  return (await checkout.passWith(file, change, tests)) ? 'UNNOTICED' : 'noticed';
}
