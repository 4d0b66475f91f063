// Numbers as people say them: 1.25 s, 820 ms, 45 µs; 12,400 tokens; $0.0031.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? trim(value.toFixed(1)) : trim(value.toFixed(2));
const trim = (text: string): string => text.replace(/\.?0+$/, "");

export function duration(ms: number | null | undefined): string {
  if (ms == null) return "–";
  if (ms <= 0) return "0 ms";
  if (ms < 0.9995) return `${digits(ms * 1000)} µs`;
  if (ms < 999.5) return `${digits(ms)} ms`;
  if (ms < 59_950) return `${digits(ms / 1000)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
  return `${digits(ms / 86_400_000)} d`;
}

/** A duration as a word of the filter: 1.25s, 820ms, 45us. */
export function durationWord(ms: number): string {
  if (ms < 1) return `${trim((ms * 1000).toPrecision(3))}us`;
  if (ms < 1000) return `${Number(ms.toPrecision(3))}ms`;
  return `${Number((ms / 1000).toPrecision(3))}s`;
}

export const count = (value: number | null | undefined): string => (value == null ? "–" : whole.format(value));
export const short = (value: number): string => (value < 100_000 ? whole.format(value) : compact.format(value));

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function money(usd: number | null | undefined): string {
  if (usd == null) return "–";
  if (usd === 0) return "$0";
  if (usd >= 100) return `$${whole.format(usd)}`;
  if (usd >= 0.01) return `$${usd.toFixed(2)}`;
  return `$${trim(usd.toFixed(Math.min(8, 1 - Math.floor(Math.log10(usd)))))}`;
}

export function percent(part: number, of: number): string {
  const value = of ? (100 * part) / of : 0;
  return `${value === 0 || value >= 10 ? value.toFixed(0) : trim(value.toFixed(value < 0.1 ? 2 : 1))} %`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** The exact moment in the reader's zone, to the millisecond. */
export function moment(ms: number): string {
  const at = new Date(ms);
  const zone = -at.getTimezoneOffset();
  const sign = zone < 0 ? "-" : "+";
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const millis = String(at.getMilliseconds()).padStart(3, "0");
  return `${date} ${clock.format(at)}.${millis} UTC${sign}${two(zone / 60)}:${two(zone % 60)}`;
}

export const date = (ms: number): string => day.format(new Date(ms));
export const time = (ms: number): string => clock.format(new Date(ms));

export function ago(ms: number, now = Date.now()): string {
  const seconds = (now - ms) / 1000;
  if (seconds < 0) return time(ms);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${day.format(new Date(ms))} ${clock.format(new Date(ms)).slice(0, 5)}`;
}
