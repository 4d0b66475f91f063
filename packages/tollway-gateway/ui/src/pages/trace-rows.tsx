import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, duration, money, plural, short } from "../lib/format";
import { toggled, word } from "../lib/query";
import { href } from "../lib/route";
import type { Row } from "../lib/types";
import { Icon, Kept, Service, toneOf, When } from "../parts/bits";
import { useNarrow, useVirtual, Window } from "../parts/virtual";

interface TraceRowsProps {
  rows: Row[];
  cursor: number;
  waiting: number;
  onShow: () => void;
  onHold: (held: boolean) => void;
  onEnd: () => void;
  query: string;
}

const HEADS = ["Trace", "Service", "Endpoint or model", "Duration", "Spans", "Tokens", "Cost", "Kept", "Started"] as const;

export function TraceRows({ rows, cursor, waiting, onShow, onHold, onEnd, query }: TraceRowsProps) {
  const narrow = useNarrow("(max-width: 760px)");
  const rowHeight = narrow ? 52 : 28;
  const { scroller, view, scrollTo } = useVirtual({ count: rows.length, rowHeight });
  const over = useRef(false);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => void (cursor >= 0 && scrollTo(cursor)), [cursor]);
  useEffect(() => void (view.end >= rows.length - 40 && onEnd()), [view.end, rows.length, onEnd]);
  const hold = () => onHold(over.current || (scroller.current?.scrollTop ?? 0) > 0 || cursor >= 0);
  useEffect(hold, [cursor]);
  const longest = useMemo(() => rows.slice(0, 1000).reduce((most, row) => Math.max(most, row.duration_ms), 0), [rows]);
  const pointer = (inside: boolean) => () => {
    over.current = inside;
    hold();
  };
  return (
    <div class="rows-box" onPointerEnter={pointer(true)} onPointerLeave={pointer(false)}>
      {waiting > 0 && (
        <button type="button" class="new-rows" onClick={() => (onShow(), scroller.current?.scrollTo(0, 0))}>
          {count(waiting)} new
        </button>
      )}
      <div class="rows" role="grid" aria-label="Traces" aria-rowcount={rows.length + 1}>
      <div class="row head" role="row" aria-rowindex={1}>
        {HEADS.map((head) => (
          <span key={head} role="columnheader" class={`cell-${head.toLowerCase().replaceAll(" ", "-")}`}>
            {head}
          </span>
        ))}
      </div>
      <div class="scroller" ref={scroller} role="presentation" onScroll={hold}>
        <Window view={view} count={rows.length} rowHeight={rowHeight}>
          {rows.slice(view.first, view.end).map((row, index) => (
            <TraceRow key={row.trace_id} row={row} index={view.first + index} now={now} longest={longest} current={view.first + index === cursor} query={query} />
          ))}
        </Window>
      </div>
      </div>
    </div>
  );
}

function TraceRow({ row, index, now, longest, current, query }: { row: Row; index: number; now: number; longest: number; current: boolean; query: string }) {
  const tokens = row.input_tokens === null && row.output_tokens === null ? null : (row.input_tokens ?? 0) + (row.output_tokens ?? 0);
  const filter = (name: string, value: string | null) => (value === null ? undefined : href(["traces"], { q: toggled(query, name, word(name, value)) }));
  const what = row.endpoint ?? row.model;
  return (
    <div class={`row ${current ? "current" : ""} ${row.status === "ERROR" ? "failed" : ""}`} role="row" aria-rowindex={index + 2} aria-selected={current}>
      <span role="gridcell" class="cell-trace">
        {row.status === "ERROR" && <Icon name="error" />}
        {row.status === "ERROR" && <span class="hidden">failed: </span>}
        <a class="row-link" href={href(["trace", row.trace_id])}>
          {row.root ?? "(no root span)"}
        </a>
      </span>
      <span role="gridcell" class="cell-service">
        <a class="quiet-link" href={filter("service", row.service)}>
          <Service name={row.service} />
        </a>
      </span>
      <span role="gridcell" class="cell-endpoint-or-model">
        {what === null ? <span class="quiet">–</span> : <a class="quiet-link" href={filter(row.endpoint ? "endpoint" : "model", what)}>{what}</a>}
      </span>
      <span role="gridcell" class="cell-duration">
        <DurationBar row={row} longest={longest} />
      </span>
      <span role="gridcell" class="cell-spans number" title={plural(row.spans, "span")}>{short(row.spans)}</span>
      <span role="gridcell" class="cell-tokens number" title={`${count(row.input_tokens)} in, ${count(row.output_tokens)} out`}>{tokens === null ? "–" : short(tokens)}</span>
      <span role="gridcell" class="cell-cost number">{money(row.cost_usd)}</span>
      <span role="gridcell" class="cell-kept"><Kept why={row.kept_because} /></span>
      <span role="gridcell" class="cell-started"><When ms={row.start_ms} now={now} /></span>
    </div>
  );
}

/** The duration beside a bar against the longest of the page. */
function DurationBar({ row, longest }: { row: Row; longest: number }) {
  const tone = row.status === "ERROR" ? "error" : toneOf(row.kept_because);
  const share = longest ? Math.max(0.5, (100 * row.duration_ms) / longest) : 0;
  return (
    <>
      <span class="number">{duration(row.duration_ms)}</span>
      <i class="bar"><i class={`bar-${tone}`} style={{ width: `${share}%` }} /></i>
    </>
  );
}
