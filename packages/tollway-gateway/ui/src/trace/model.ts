import type { Span, Trace } from "../lib/types";

// What the waterfall needs to know of a trace beyond its spans: who has which children, what is in view, where the
// critical path runs. Spans come depth first, so a subtree is the run of spans up to `last`.

export interface Model {
  trace: Trace;
  spans: Span[];
  children: number[][];
  /** The index after the last span of each subtree. */
  end: Int32Array;
  /** How long the whole is, in ms: the spans' own end, or the summary's where there are none. */
  total: number;
  errors: number[];
  path: Trace["critical_path"];
}

/** What the API leaves out of a span of a large trace. */
const ABSENT = { events: [], links: [], attributes: null, conversation: null, inputs: null, outputs: null };

export function modelOf(given: Trace): Model {
  const spans = given.spans.map((span) => ({ ...ABSENT, ...span }));
  const trace = { ...given, spans };
  const children: number[][] = spans.map(() => []);
  const end = new Int32Array(spans.length);
  let total = 0;
  const errors: number[] = [];
  for (let index = spans.length - 1; index >= 0; index -= 1) end[index] = Math.max(end[index] ?? 0, index + 1);
  for (let index = spans.length - 1; index >= 0; index -= 1) {
    const span = spans[index]!;
    total = Math.max(total, span.start_ms + span.duration_ms);
    if (span.parent >= 0 && span.parent < index) end[span.parent] = Math.max(end[span.parent]!, end[index]!);
  }
  spans.forEach((span, index) => {
    if (span.parent >= 0 && span.parent < spans.length) children[span.parent]!.push(index);
    if (span.status === "ERROR") errors.push(index);
  });
  const path = [...trace.critical_path].sort((a, b) => a.start_ms - b.start_ms);
  return { trace, spans, children, end, total: total || trace.summary.duration_ms || 1, errors, path };
}

/** The spans in view, in order, when the subtrees of `folded` are folded. */
export function visibleSpans(model: Model, folded: ReadonlySet<number>): Int32Array {
  const rows = new Int32Array(model.spans.length);
  let count = 0;
  for (let index = 0; index < model.spans.length; ) {
    rows[count] = index;
    count += 1;
    index = folded.has(index) ? model.end[index]! : index + 1;
  }
  return rows.subarray(0, count);
}

/** For each span the row that shows it: its own, or that of the folded span above it. */
export function rowsOf(model: Model, rows: Int32Array): Int32Array {
  const made = new Int32Array(model.spans.length);
  for (let row = 0; row < rows.length; row += 1) {
    const next = row + 1 < rows.length ? rows[row + 1]! : model.spans.length;
    made.fill(row, rows[row]!, next);
  }
  return made;
}

/** The parts of a span's time in which none of its children runs, as [start, end] in ms. */
export function selfTimes(model: Model, index: number): [number, number][] {
  const span = model.spans[index]!;
  const stop = span.start_ms + span.duration_ms;
  const made: [number, number][] = [];
  let at = span.start_ms;
  for (const child of inOrder(model, index)) {
    const { start_ms, duration_ms } = model.spans[child]!;
    if (start_ms > at) made.push([at, Math.min(start_ms, stop)]);
    at = Math.max(at, start_ms + duration_ms);
    if (at >= stop) return made;
  }
  if (at < stop) made.push([at, stop]);
  return made;
}

function inOrder(model: Model, index: number): number[] {
  const children = model.children[index]!;
  const start = (child: number) => model.spans[child]!.start_ms;
  const sorted = children.every((child, at) => at === 0 || start(children[at - 1]!) <= start(child));
  return sorted ? children : [...children].sort((a, b) => start(a) - start(b));
}

export function ancestors(model: Model, index: number): number[] {
  const made: number[] = [];
  for (let at = model.spans[index]?.parent ?? -1; at >= 0 && made.length < model.spans.length; at = model.spans[at]!.parent) made.push(at);
  return made;
}

/** The spans in which a text is found: name, service, model, status, attributes and events. */
export function found(model: Model, text: string): number[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  return model.spans.flatMap((span, index) => (haystack(span).includes(wanted) ? [index] : []));
}

const haystacks = new WeakMap<Span, string>();

function haystack(span: Span): string {
  let text = haystacks.get(span);
  if (text === undefined) {
    const { id, name, service, model, status_message, role, reason, attributes, events } = span;
    text = [id, name, service, model, status_message, role, reason, attributes && JSON.stringify(attributes), events.length ? JSON.stringify(events) : ""].join("\n").toLowerCase();
    haystacks.set(span, text);
  }
  return text;
}
