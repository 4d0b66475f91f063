import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, get } from "../lib/api";
import { asApiError } from "../lib/load";
import type { Row, TraceList } from "../lib/types";

// The list: pages as one scrolls down, and what comes in live. While the list is held, what comes waits and is counted.

interface State {
  key: string | null;
  rows: Row[];
  next: string | null;
  counted: TraceList["counted"];
  problems: string[];
  error: ApiError | null;
}

const START: State = { key: null, rows: [], next: null, counted: null, problems: [], error: null };
const PAGE = "200";

export function useTraces(query: string, order: string) {
  const key = JSON.stringify([query, order]);
  const [state, setState] = useState<State>(START);
  const [attempt, setAttempt] = useState(0);
  const [waiting, setWaiting] = useState<Row[]>([]);
  const held = useRef(false);
  const paging = useRef<string | null>(null);

  useEffect(() => {
    const abort = new AbortController();
    setWaiting([]);
    paging.current = null;
    get<TraceList>("traces", { q: query, order, limit: PAGE }, abort.signal).then(
      ({ traces, next, counted, problems }) => setState({ key, rows: traces, next, counted, problems, error: null }),
      (error: unknown) => abort.signal.aborted || setState((old) => ({ ...old, key, error: asApiError(error) })),
    );
    return () => abort.abort();
  }, [key, attempt]);

  const more = useCallback(() => {
    const { next } = state;
    if (!next || state.key !== key || paging.current === next) return;
    paging.current = next;
    get<TraceList>("traces", { q: query, order, limit: PAGE, cursor: next }).then(
      (page) => setState((old) => (old.next === next && old.key === key ? { ...old, rows: joined(old.rows, page.traces), next: page.next } : old)),
      () => void (paging.current = null), // asked again when one scrolls on
    );
  }, [state.next, state.key, key]);

  const arrived = useCallback((row: Row) => {
    if (held.current) setWaiting((old) => merged(old, [row]));
    else setState((old) => withNew(old, [row]));
  }, []);
  const show = useCallback(() => {
    setState((old) => withNew(old, waiting));
    setWaiting([]);
  }, [waiting]);
  const hold = useCallback((value: boolean) => void (held.current = value), []);
  const reload = useCallback(() => setAttempt((value) => value + 1), []);
  const fresh = waiting.filter((row) => !state.rows.some((known) => known.trace_id === row.trace_id)).length;

  return { ...state, loading: state.key !== key, stale: state.key !== key, waiting: fresh, more, arrived, show, hold, reload };
}

function withNew(state: State, rows: Row[]): State {
  const known = new Set(state.rows.map((row) => row.trace_id));
  const added = rows.filter((row) => !known.has(row.trace_id)).length;
  const counted = state.counted?.matched == null ? state.counted : { ...state.counted, matched: state.counted.matched + added };
  return { ...state, rows: merged(state.rows, rows), counted };
}

/** A trace that grew replaces its row; others go on top, the newest first. */
function merged(old: Row[], rows: Row[]): Row[] {
  const by = new Map(rows.map((row) => [row.trace_id, row]));
  const kept = old.map((row) => {
    const newer = by.get(row.trace_id);
    by.delete(row.trace_id);
    return newer ?? row;
  });
  return [...[...by.values()].sort((a, b) => b.start_ms - a.start_ms), ...kept];
}

function joined(rows: Row[], page: Row[]): Row[] {
  const known = new Set(rows.map((row) => row.trace_id));
  return [...rows, ...page.filter((row) => !known.has(row.trace_id))];
}
