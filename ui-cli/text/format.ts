/** Formats numbers and times for people. The clock is passed in. */

const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Formats bytes: 184 KiB, 1.2 MiB. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < binaryUnits.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : short(value)} ${binaryUnits[unit]}`;
}

const decimalUnits = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** Formats counts such as gas or invocations: 11, 1.3k, 24M. */
export function formatCount(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < decimalUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? trimmed(value, 1) : short(value)}${decimalUnits[unit]}`;
}

/** Formats a duration: 0.4 ms, 12 ms, 1.2 s, 3 min, 2.5 h. */
export function formatDuration(ms: number): string {
  if (ms < 9.95) return `${trimmed(ms, 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${trimmed(ms / 1000, 1)} s`;
  if (ms < 3_600_000) return `${trimmed(ms / 60_000, 1)} min`;
  return `${trimmed(ms / 3_600_000, 1)} h`;
}

/** Formats a time in the past: now, 5 s ago, 3 min ago, 2 h ago, 4 d ago, then the date. */
export function formatAgo(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1000));
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 30 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return formatDate(thenMs).slice(0, 10);
}

/** Formats a time in the future: now, in 5 s, in 3 min, in 2 h, in 4 d, then the date. A time that is over is now. */
export function formatIn(thenMs: number, nowMs: number): string {
  const seconds = Math.round((thenMs - nowMs) / 1000);
  if (seconds < 1) return 'now';
  if (seconds < 60) return `in ${seconds} s`;
  if (seconds < 3600) return `in ${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `in ${Math.floor(seconds / 3600)} h`;
  if (seconds < 30 * 86_400) return `in ${Math.floor(seconds / 86_400)} d`;
  return formatDate(thenMs).slice(0, 10);
}

/** Formats local date and time: 2026-11-22 08:15:42. */
export function formatDate(timeMs: number): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return 'unknown time';
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatClock(timeMs).slice(0, 8)}`;
}

/** Formats local time of day with milliseconds: 08:15:42.123. */
export function formatClock(timeMs: number): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return '--:--:--.---';
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const two = (value: number) => String(value).padStart(2, '0');
const trimmed = (value: number, digits: number) => String(Number(value.toFixed(digits)));
/** Formats a number with at most three significant figures: 1.2, 18.4, 184. */
const short = (value: number) => trimmed(value, value < 99.95 ? 1 : 0);
