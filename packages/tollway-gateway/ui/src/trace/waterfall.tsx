import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { colourOf } from "../lib/colour";
import { duration, money, plural, short } from "../lib/format";
import { useTheme } from "../lib/theme";
import type { Span } from "../lib/types";
import { Icon } from "../parts/bits";
import { useNarrow, useVirtual, Window } from "../parts/virtual";
import { type Model, rowsOf, visibleSpans } from "./model";
import { paintRows, ROW, TICKS, type Zoom } from "./paint";

interface WaterfallProps {
  model: Model;
  folded: ReadonlySet<number>;
  cursor: number;
  zoom: Zoom;
  critical: boolean;
  found: ReadonlySet<number>;
  onPick: (index: number) => void;
  onFold: (index: number) => void;
}

export function Waterfall({ model, folded, cursor, zoom, critical, found, onPick, onFold }: WaterfallProps) {
  const rows = useMemo(() => visibleSpans(model, folded), [model, folded]);
  const rowOf = useMemo(() => rowsOf(model, rows), [model, rows]);
  const { scroller, view, scrollTo } = useVirtual({ count: rows.length, rowHeight: ROW });
  const narrow = useNarrow();
  const [names, setNames] = useState<number | null>(null);
  const width = useWidth(scroller);
  const nameWidth = Math.round(Math.min(names ?? (narrow ? width * 0.52 : Math.min(400, width * 0.44)), width - 60));
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();

  useLayoutEffect(() => {
    if (!canvas.current) return;
    paintRows(canvas.current, Math.max(0, width - nameWidth - 12), { model, rows, rowOf, first: view.first, end: view.end, zoom, critical });
  }, [model, rows, view.first, view.end, zoom.from, zoom.to, critical, width, nameWidth, theme]);
  useEffect(() => void (cursor >= 0 && scrollTo(rowOf[cursor] ?? 0)), [cursor, rowOf]);

  return (
    <div class="waterfall" style={{ "--names": `${nameWidth}px` }}>
      <Ruler zoom={zoom} />
      <Splitter at={nameWidth} onMove={setNames} />
      <div class="scroller" ref={scroller} role="treegrid" aria-label="Spans" aria-rowcount={rows.length} tabIndex={0} aria-activedescendant={cursor >= 0 ? `span-${cursor}` : undefined}>
        <Window view={view} count={rows.length} rowHeight={ROW}>
          <canvas class="bars" ref={canvas} aria-hidden="true" />
          {Array.from(rows.subarray(view.first, view.end), (index, at) => (
            <SpanRow key={index} model={model} index={index} row={view.first + at} folded={folded.has(index)} current={index === cursor} found={found.has(index)} onPick={onPick} onFold={onFold} />
          ))}
        </Window>
      </div>
    </div>
  );
}

function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(800);
  useLayoutEffect(() => {
    const box = element.current;
    if (!box) return undefined;
    const update = () => setWidth(box.clientWidth);
    update();
    const sizes = new ResizeObserver(update);
    sizes.observe(box);
    return () => sizes.disconnect();
  }, []);
  return width;
}

function Ruler({ zoom }: { zoom: Zoom }) {
  return (
    <div class="ruler" aria-hidden="true">
      <span class="ruler-name">Span</span>
      {Array.from({ length: TICKS }, (_, tick) => (
        <span key={tick} class="tick">
          {tick === 0 && zoom.from === 0 ? "0" : duration(zoom.from + ((zoom.to - zoom.from) * tick) / TICKS)}
        </span>
      ))}
    </div>
  );
}

/** The edge between names and bars, moved with the pointer or the arrow keys. */
function Splitter({ at, onMove }: { at: number; onMove: (width: number) => void }) {
  const [from, setFrom] = useState<number | null>(null);
  const clamp = (width: number) => onMove(Math.max(90, width));
  return (
    <div
      class="splitter"
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the names"
      aria-valuenow={at}
      aria-valuemin={90}
      aria-valuemax={2000}
      tabIndex={0}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setFrom(event.clientX - at);
      }}
      onPointerMove={(event) => from !== null && clamp(event.clientX - from)}
      onPointerUp={() => setFrom(null)}
      onKeyDown={(event) => {
        const step = event.key === "ArrowLeft" ? -24 : event.key === "ArrowRight" ? 24 : 0;
        if (step) clamp(at + step);
      }}
    />
  );
}

interface SpanRowProps {
  model: Model;
  index: number;
  row: number;
  folded: boolean;
  current: boolean;
  found: boolean;
  onPick: (index: number) => void;
  onFold: (index: number) => void;
}

const DEEP = 24; // beyond this many levels the indent grows no further

function SpanRow({ model, index, row, folded, current, found, onPick, onFold }: SpanRowProps) {
  const span = model.spans[index]!;
  const inner = model.end[index]! - index - 1;
  const failed = span.status === "ERROR";
  return (
    <div id={`span-${index}`} class={`span-row${current ? " current" : ""}${failed ? " failed" : ""}${found ? " found" : ""}`} role="row" aria-level={span.depth + 1} aria-rowindex={row + 1} aria-selected={current} aria-expanded={inner ? !folded : undefined} onClick={() => onPick(index)}>
      <span class="span-name" role="gridcell" style={{ paddingLeft: `${6 + Math.min(span.depth, DEEP) * 12}px` }}>
        {inner ? <Fold folded={folded} inner={inner} onFold={() => onFold(index)} /> : <i class="fold" />}
        <i class={`stripe service-${colourOf(span.service)}`} />
        {failed && <Icon name="error" />}
        <span class="span-title" title={`${span.name} · ${span.service ?? "unknown service"}`}>
          {span.name}
        </span>
        {span.role && <Role span={span} />}
        {folded && <span class="badge">{plural(inner, "span")}</span>}
        <Facts span={span} />
        <span class="hidden">
          {span.service}, {duration(span.duration_ms)}, self {duration(span.self_ms)}
          {failed && `, failed: ${span.status_message ?? ""}`}
        </span>
      </span>
    </div>
  );
}

function Fold({ folded, inner, onFold }: { folded: boolean; inner: number; onFold: () => void }) {
  const click = (event: MouseEvent) => {
    event.stopPropagation();
    onFold();
  };
  return (
    <button type="button" class="fold" tabIndex={-1} aria-label={folded ? `Unfold ${plural(inner, "span")}` : `Fold ${plural(inner, "span")}`} onClick={click}>
      <Icon name={folded ? "right" : "down"} />
    </button>
  );
}

const Role = ({ span }: { span: Span }) => (
  <span class={`badge role-${span.role}`} title={span.reason ?? undefined}>
    {span.role}
    {span.reason && <span class="role-reason">: {span.reason}</span>}
  </span>
);

/** Model, tokens and cost, where a span has them. */
function Facts({ span }: { span: Span }) {
  if (!span.tokens && span.cost_usd == null && !span.model) return null;
  const tokens = span.tokens && (span.tokens.input ?? 0) + (span.tokens.output ?? 0);
  return (
    <span class="facts" title={span.tokens ? `${span.tokens.input ?? 0} tokens in, ${span.tokens.output ?? 0} out` : undefined}>
      {[span.model && !span.name.includes(span.model) && span.model, tokens ? `${short(tokens)} tok` : null, span.cost_usd == null ? null : money(span.cost_usd)].filter(Boolean).join(" · ")}
    </span>
  );
}
