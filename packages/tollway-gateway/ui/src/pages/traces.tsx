import { useEffect, useMemo, useState } from "preact/hooks";
import { live } from "../lib/api";
import { durationWord, plural } from "../lib/format";
import { useKeys } from "../lib/keys";
import { useLoad } from "../lib/load";
import { type Box, boxOf, replaced } from "../lib/query";
import { go, href, setParams, type Route } from "../lib/route";
import type { Info, Points, Row } from "../lib/types";
import { FilterBox, QuickFilters } from "../parts/filter";
import { Empty, Problem, Skeleton } from "../parts/states";
import { Scatter } from "./scatter";
import { TraceRows } from "./trace-rows";
import { useTraces } from "./use-traces";

const NO_POINTS: Points = { trace_id: [], start_ms: [], duration_ms: [], status: [], kept: [], kept_names: [] };

export function Traces({ route, info }: { route: Route; info: Info }) {
  const query = route.params.get("q") ?? "";
  const order = route.params.get("order") === "slowest" ? "slowest" : "newest";
  const list = useTraces(query, order);
  // The scatter keeps what lies outside the box, dimmed: it is asked without the box's own words.
  const wide = useMemo(() => replaced(query, ["duration", "since", "until"], []), [query]);
  const [tick, setTick] = useState(0);
  const points = useLoad<Points>("points", { q: wide, limit: "10000" }, tick);
  const box = useMemo(() => boxOf(query, Date.now()), [query]);
  const [cursor, setCursor] = useState(-1);
  const rows = useMemo(() => (list.stale ? list.rows.filter((row) => inside(row, box)) : list.rows), [list.rows, list.stale, box]);

  useLive(query, order === "newest" && box.to === Infinity, list.arrived, () => setTick((value) => value + 1));
  useEffect(() => setCursor(-1), [query, order]);
  const move = (step: number) => setCursor((at) => Math.max(0, Math.min(rows.length - 1, at + step)));
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => rows[cursor] && go(href(["trace", rows[cursor].trace_id])),
    e: () => setCursor((at) => rows.findIndex((row, index) => index > at && row.status === "ERROR")),
  });

  const filtered = query !== "";
  const fixed = info.mode === "report";
  const error = list.error?.status === 400 ? list.error : null;
  return (
    <main class="traces-page" aria-label="Traces">
      <h1 class="hidden">Traces</h1>
      {!fixed && <FilterBox query={query} error={error} />}
      <div class="toolbar">
        {!fixed && <QuickFilters query={query} />}
        <Count list={list} />
        <span class="group">
          {!fixed && <button type="button" aria-pressed={order === "slowest"} onClick={() => setParams({ order: order === "slowest" ? null : "slowest" })}>
            Slowest first
          </button>}
          <a class="button" href={href(["flame"], { q: query })}>
            Flame graph
          </a>
        </span>
      </div>
      {!list.error && <Scatter points={points.data ?? NO_POINTS} box={box} onBox={(next) => fixed || setParams({ q: boxed(query, next) })} onOpen={(id) => go(href(["trace", id]))} />}
      {list.error && !error && <Problem error={list.error} retry={list.reload} />}
      {list.loading && !list.rows.length && !list.error && <Skeleton />}
      {!list.error && !list.loading && !rows.length && <Empty filtered={filtered} store={info.mode === "store"} />}
      {rows.length > 0 && <TraceRows rows={rows} cursor={cursor} waiting={list.waiting} onShow={list.show} onHold={list.hold} onEnd={list.more} query={query} />}
    </main>
  );
}

const inside = (row: Row, box: Box): boolean => row.start_ms >= box.from && row.start_ms <= box.to && row.duration_ms >= box.low && row.duration_ms <= box.high;

function boxed(query: string, box: Box): string {
  const made = [];
  if (Number.isFinite(box.from)) made.push(`since:${new Date(Math.floor(box.from)).toISOString()}`);
  if (Number.isFinite(box.to)) made.push(`until:${new Date(Math.ceil(box.to)).toISOString()}`);
  if (Number.isFinite(box.low)) made.push(`duration:>${durationWord(box.low)}`);
  if (Number.isFinite(box.high)) made.push(`duration:<${durationWord(box.high)}`);
  return replaced(query, ["duration", "since", "until"], made);
}

function Count({ list }: { list: ReturnType<typeof useTraces> }) {
  const matched = list.counted?.matched ?? list.rows.length;
  const exact = list.counted?.exact && list.counted.matched !== null;
  return (
    <span class="count" role="status">
      {list.loading ? "" : exact || !list.next ? plural(matched, "trace") : `more than ${plural(matched, "trace")}`}
      {list.problems.length > 0 && <span class="slow-text"> {list.problems.join(" ")}</span>}
    </span>
  );
}

const REFRESH_MS = 5000;

/** What is stored now, as it comes; the dots follow at most every few seconds. */
function useLive(query: string, on: boolean, arrived: (row: Row) => void, refresh: () => void): void {
  useEffect(() => {
    if (!on) return undefined;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const follow = async () => {
      for await (const event of live("live", { q: query }, abort.signal, () => undefined)) {
        if (event.event !== "trace") continue;
        arrived(JSON.parse(event.data) as Row);
        timer ??= setTimeout(() => ((timer = undefined), refresh()), REFRESH_MS);
      }
    };
    follow().catch(() => undefined); // the list itself says what is wrong
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [query, on]);
}
