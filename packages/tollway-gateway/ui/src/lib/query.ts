// The words of a filter as text: `service:shop duration:>1s "refund"`. The server says what they mean; the page
// finds where each begins, so that it can mark, add, replace and remove them.

export interface Word {
  text: string;
  start: number;
  /** What stands before the colon; empty for free text. */
  name: string;
  /** What stands behind it, without quotes. */
  value: string;
}

const WORD = /(?:([A-Za-z][\w.-]*):)?("(?:[^"\\]|\\.)*"?|\S+)|([A-Za-z][\w.-]*:)(?=\s|$)/g;

export function words(query: string): Word[] {
  return [...query.matchAll(WORD)].map((match) => ({
    text: match[0],
    start: match.index,
    name: match[1] ?? (match[3] ?? "").slice(0, -1),
    value: unquoted(match[2] ?? ""),
  }));
}

const unquoted = (text: string): string => (text.startsWith('"') ? text.replace(/^"|"$/g, "").replace(/\\(.)/g, "$1") : text);

export const word = (name: string, value: string): string =>
  `${name}:${/[\s"]/.test(value) || value === "" ? `"${value.replace(/["\\]/g, "\\$&")}"` : value}`;

/** The query with other words of these names: `replaced(q, ["duration", "since"], ["duration:>1s"])`. */
export function replaced(query: string, names: string[], by: string[]): string {
  return [...words(query).filter(({ name }) => !names.includes(name)).map(({ text }) => text), ...by].join(" ");
}

export function has(query: string, text: string): boolean {
  return words(query).some((one) => one.text === text);
}

export const toggled = (query: string, name: string, text: string): string => replaced(query, [name], has(query, text) ? [] : [text]);

/** What a box on the scatter means in words. */
export interface Box {
  from: number;
  to: number;
  low: number;
  high: number;
}

const US = 1000;

const DURATION = /^(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)$/;
const UNITS: Record<string, number> = { us: 1 / US, µs: 1 / US, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The box that the words of a query describe, open where they say nothing. Ages count from now. */
export function boxOf(query: string, now: number): Box {
  const box: Box = { from: -Infinity, to: Infinity, low: -Infinity, high: Infinity };
  for (const { name, value } of words(query)) {
    if (name === "since") box.from = Math.max(box.from, momentOf(value, now, -Infinity));
    if (name === "until") box.to = Math.min(box.to, momentOf(value, now, Infinity));
    if (name !== "duration") continue;
    const [, low, high] = /^>=?(.+)$/.exec(value) ?? /^<=?()(.+)$/.exec(value) ?? /^(.*)\.\.(.*)$/.exec(value) ?? [];
    box.low = Math.max(box.low, durationOf(low ?? "") ?? -Infinity);
    box.high = Math.min(box.high, durationOf(high ?? "") ?? Infinity);
  }
  return box;
}

export function durationOf(text: string): number | null {
  const match = DURATION.exec(text);
  return match ? Number(match[1]) * (UNITS[match[2] ?? ""] ?? 0) : null;
}

function momentOf(text: string, now: number, otherwise: number): number {
  const age = /^(\d+)([smhdw])$/.exec(text);
  if (age) return now - Number(age[1]) * ({ s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[age[2] ?? ""] ?? 0) * 1000;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? otherwise : ms;
}
