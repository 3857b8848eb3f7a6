/** Shared by benches of invocations: compares rounds of load, and formats figures. */
import { type Load, load, medians } from './load.ts';

/** Number of rounds. Rounds are interleaved, so that a busy moment of the machine affects all alike. */
export const rounds = Number(process.env.ROUNDS ?? 5);
/** Seconds of a round. */
export const seconds = Number(process.env.SECONDS ?? 3);

/** Returns medians of interleaved rounds, after one warm-up round. */
export async function compare(urls: Readonly<Record<string, string>>, body?: string): Promise<Record<string, Load>> {
  const post = body === undefined ? {} : { body };
  const all: Record<string, Load[]> = {};
  for (const url of Object.values(urls)) await load({ url, seconds: Math.min(seconds, 2), ...post });
  for (let round = 0; round < rounds; round++) {
    for (const [name, url] of Object.entries(urls)) {
      all[name] ??= [];
      all[name].push(await load({ url, seconds, ...post }));
    }
  }
  return Object.fromEntries(Object.entries(all).map(([name, loads]) => [name, medians(loads)]));
}

export const ratio = (a: number, b: number | undefined) => (b === undefined ? '-' : (a / b).toFixed(2));
export const count = (value: number) => Math.round(value).toLocaleString('en');
export const ms = (value: number) => value.toFixed(2);
