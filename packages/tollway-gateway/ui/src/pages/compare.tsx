import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { colourOf } from "../lib/colour";
import { count, duration, plural } from "../lib/format";
import { useKeys } from "../lib/keys";
import { useLoad } from "../lib/load";
import { go, href, type Route, setParams } from "../lib/route";
import { token, useTheme } from "../lib/theme";
import type { Comparison, Pair, Row, Span } from "../lib/types";
import { Kept, Service, Tabs, When } from "../parts/bits";
import { Problem, Skeleton } from "../parts/states";
import { useVirtual, Window } from "../parts/virtual";
import { sized } from "../trace/paint";

// Two traces on one time axis: spans matched by their path, each row with both bars and what changed.

const ROW = 34;

export function ComparePage({ a, b, route }: { a: string; b: string; route: Route }) {
  const { data, error, reload } = useLoad<Comparison>("compare", { a, b });
  if (error) return <Problem error={error} retry={reload} />;
  if (!data) return <Skeleton rows={20} />;
  return <Compared data={data} route={route} />;
}

const CHANGES = ["slower", "faster", "added", "gone"] as const;

function Compared({ data, route }: { data: Comparison; route: Route }) {
  const only = CHANGES.find((change) => change === route.params.get("only")) ?? null;
  const tab = route.params.get("view") === "text" ? "text" : "spans";
  const pairs = useMemo(() => (only ? data.pairs.filter((pair) => pair.change === only) : data.pairs), [data, only]);
  const changes = data.text.filter((line) => line.op !== " ").length;
  return (
    <main class="compare-page" aria-label="Compare">
      <header class="compare-head">
        <h1 class="hidden">Compare two traces</h1>
        <Side name="A" row={data.a.summary} />
        <p class="compare-delta">
          <Delta ms={data.b.summary.duration_ms - data.a.summary.duration_ms} />
          <button type="button" onClick={() => go(href(["compare", data.b.summary.trace_id, data.a.summary.trace_id]))}>
            Swap
          </button>
        </p>
        <Side name="B" row={data.b.summary} />
      </header>
      <div class="trace-bar">
        <Tabs tabs={[["spans", `Spans ${count(data.pairs.length)}`], ["text", `Conversation${changes ? ` ${count(changes)}` : ""}`]] as const} current={tab} label="View" panel="compared" onPick={(name) => setParams({ view: name === "text" ? "text" : null })} />
        {tab === "spans" && (
          <span class="tools">
            <span class="group">
              {CHANGES.map((change) => (
                <button key={change} type="button" aria-pressed={only === change} onClick={() => setParams({ only: only === change ? null : change })}>
                  {count(data.pairs.filter((pair) => pair.change === change).length)} {change}
                </button>
              ))}
            </span>
          </span>
        )}
      </div>
      {tab === "text" ? <Text lines={data.text} /> : <Pairs data={data} pairs={pairs} />}
    </main>
  );
}

function Side({ name, row }: { name: string; row: Row }) {
  return (
    <section class="compare-side">
      <b class="letter">{name}</b>
      <div>
        <p>
          <a href={href(["trace", row.trace_id])}>{row.root ?? row.trace_id}</a> <b>{duration(row.duration_ms)}</b>
        </p>
        <p class="quiet">
          <Service name={row.service} /> <When ms={row.start_ms} /> {plural(row.spans, "span")} <Kept why={row.kept_because} />
        </p>
      </div>
    </section>
  );
}

const Delta = ({ ms, same = false }: { ms: number | null; same?: boolean }) => {
  if (ms === null) return null;
  const tone = same || Math.abs(ms) < 0.0005 ? "quiet" : ms > 0 ? "slow-text" : "faster";
  return <span class={`delta ${tone}`}>{ms > 0 ? "+" : ms < 0 ? "−" : "±"}{duration(Math.abs(ms))}</span>;
};

function Pairs({ data, pairs }: { data: Comparison; pairs: Pair[] }) {
  const { scroller, view } = useVirtual({ count: pairs.length, rowHeight: ROW });
  const total = Math.max(data.a.summary.duration_ms, data.b.summary.duration_ms, 0.001);
  useKeys({ j: () => scroller.current?.scrollBy(0, ROW), k: () => scroller.current?.scrollBy(0, -ROW) });
  return (
    <div class="pairs" id="compared">
      <div class="scroller" ref={scroller} role="table" aria-label="Spans of both" aria-rowcount={pairs.length} tabIndex={0}>
        <Window view={view} count={pairs.length} rowHeight={ROW}>
          {pairs.slice(view.first, view.end).map((pair, index) => (
            <PairRow key={view.first + index} pair={pair} row={view.first + index} a={spanOf(data.a.spans, pair.a)} b={spanOf(data.b.spans, pair.b)} data={data} total={total} />
          ))}
        </Window>
      </div>
      {!pairs.length && <p class="quiet none">No span is like that.</p>}
    </div>
  );
}

const spanOf = (spans: Span[], index: number | null): Span | null => (index === null ? null : (spans[index] ?? null));

function PairRow({ pair, row, a, b, data, total }: { pair: Pair; row: number; a: Span | null; b: Span | null; data: Comparison; total: number }) {
  const span = (b ?? a)!;
  const failed = (a?.status === "ERROR") !== (b?.status === "ERROR") && a !== null && b !== null;
  const target = b ? href(["trace", data.b.summary.trace_id], { span: b.id }) : href(["trace", data.a.summary.trace_id], { span: a?.id });
  return (
    <div class={`pair pair-${pair.change}`} role="row" aria-rowindex={row + 1}>
      <span role="cell" class="pair-name" style={{ paddingLeft: `${10 + Math.min(span.depth, 20) * 12}px` }} title={pair.path.join(" / ")}>
        <i class={`stripe service-${colourOf(span.service)}`} />
        <a href={target}>{span.name}</a>
        {failed && <span class="error-text">{b?.status === "ERROR" ? "fails in B" : "failed in A"}</span>}
      </span>
      <span role="cell" class="pair-bars">
        <PairBars a={a} b={b} total={total} />
      </span>
      <span role="cell" class="pair-times number">
        {a ? duration(a.duration_ms) : "–"} <span class="quiet">→</span> {b ? duration(b.duration_ms) : "–"}
      </span>
      <span role="cell" class="pair-change">
        {pair.change === "added" || pair.change === "gone" ? <span class={`badge change-${pair.change}`}>{pair.change}</span> : <Delta ms={pair.delta_ms} same={pair.change === "same"} />}
      </span>
    </div>
  );
}

function PairBars({ a, b, total }: { a: Span | null; b: Span | null; total: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const paint = () => {
    const width = canvas.current?.parentElement?.clientWidth ?? 0;
    const ctx = canvas.current && sized(canvas.current, width, ROW - 2);
    if (!ctx) return;
    for (const [span, top] of [[a, 6], [b, 17]] as const) {
      if (!span) continue;
      ctx.fillStyle = token(span.status === "ERROR" ? "dot-error" : `service-${colourOf(span.service)}`);
      ctx.globalAlpha = span === a ? 0.5 : 1;
      ctx.fillRect((span.start_ms / total) * width, top, Math.max((span.duration_ms / total) * width, 2), 8);
    }
  };
  useLayoutEffect(paint, [a, b, total, theme]);
  useEffect(() => {
    addEventListener("resize", paint);
    return () => removeEventListener("resize", paint);
  });
  return <canvas ref={canvas} aria-hidden="true" />;
}

const OPS = { " ": "same", "+": "plus", "-": "minus" } as const;

function Text({ lines }: { lines: Comparison["text"] }) {
  if (!lines.length)
    return (
      <p class="quiet none" id="compared">
        Neither trace holds a conversation.
      </p>
    );
  return (
    <div class="diff" id="compared" tabIndex={0}>
      {lines.map((line, index) => (
        <div key={index} class={`diff-${OPS[line.op]}`}>
          <span aria-hidden="true">{line.op}</span>
          <span class="hidden">{line.op === "+" ? "only in B: " : line.op === "-" ? "only in A: " : ""}</span>
          {line.line}
        </div>
      ))}
    </div>
  );
}
