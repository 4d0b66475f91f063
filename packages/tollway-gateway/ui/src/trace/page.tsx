import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useKeys } from "../lib/keys";
import { useLoad } from "../lib/load";
import { type Route, setParams } from "../lib/route";
import type { Trace } from "../lib/types";
import { Tabs } from "../parts/bits";
import { Graph } from "../parts/graph";
import { Notice, Problem, Skeleton } from "../parts/states";
import { useNarrow } from "../parts/virtual";
import { agentGraph } from "./agents";
import { TraceHead } from "./head";
import { Minimap } from "./minimap";
import { ancestors, found, type Model, modelOf, visibleSpans } from "./model";
import type { Zoom } from "./paint";
import { Panel } from "./panel";
import { TraceTools } from "./tools";
import { Waterfall } from "./waterfall";

export function TracePage({ id, route, fixed }: { id: string; route: Route; fixed: boolean }) {
  const { data, error, reload } = useLoad<Trace>(`traces/${encodeURIComponent(id)}`);
  const model = useMemo(() => data && modelOf(data), [data]);
  if (error?.status === 404)
    return (
      <Notice title={error.message}>
        <p>{error.gone?.detail ?? error.hint}</p>
        <p>
          <a href="#/traces">Show the traces that are here</a>
        </p>
      </Notice>
    );
  if (error) return <Problem error={error} retry={reload} />;
  return model ? <Loaded model={model} route={route} fixed={fixed} /> : <Skeleton rows={20} />;
}

function Loaded({ model, route, fixed }: { model: Model; route: Route; fixed: boolean }) {
  const state = useTraceState(model, route);
  const { cursor, pick, zoom, critical, search, matches } = state;
  const narrow = useNarrow("(max-width: 760px)");
  const agents = model.trace.agents?.nodes.length ? model.trace.agents : null;
  const view = agents && route.params.get("view") === "agents" ? "agents" : "waterfall";
  const chosen = route.params.get("span") !== null;
  const closed = narrow ? !chosen : route.params.get("panel") === "off";
  const matching = useMemo(() => new Set(matches), [matches]);
  return (
    <main class="trace-page" aria-label="Trace">
      <TraceHead model={model} fixed={fixed} />
      <Minimap model={model} zoom={zoom} onZoom={(next) => setParams({ zoom: next && `${round(next.from)}-${round(next.to)}` }, true)} />
      <div class="trace-bar">
        {agents && <Tabs tabs={[["waterfall", "Waterfall"], ["agents", "Agents and tools"]] as const} current={view} label="View" panel="view" onPick={(name) => setParams({ view: name === "waterfall" ? null : name })} />}
        {view === "waterfall" && <TraceTools model={model} state={state} zoomed={route.params.has("zoom")} search={search} />}
      </div>
      <div class={`trace-body ${closed ? "" : "with-panel"}`}>
        <div class="view" id="view">
        {view === "agents" && agents ? (
          <div class="graph-box">
            <Graph {...agentGraph(agents)} label="Agents and tools" />
          </div>
        ) : (
          <Waterfall model={model} folded={state.folded} cursor={cursor} zoom={zoom} critical={critical} found={matching} onPick={pick} onFold={state.fold} />
        )}
        </div>
        {!closed && <Panel trace={model.trace} index={cursor} tab={route.params.get("tab")} onClose={() => setParams(narrow ? { span: null } : { panel: "off" }, true)} />}
      </div>
    </main>
  );
}

const round = (ms: number): string => String(Number(ms.toPrecision(6)));

/** The whole of the page's state is in its address; this reads it, and has what changes it. */
export function useTraceState(model: Model, route: Route) {
  const { params } = route;
  const spanId = params.get("span");
  const cursor = useMemo(() => Math.max(0, model.spans.findIndex((span) => span.id === spanId)), [model, spanId]);
  const critical = params.get("critical") !== "off";
  const search = params.get("find") ?? "";
  const matches = useMemo(() => found(model, search), [model, search]);
  const zoom = useMemo(() => zoomOf(params.get("zoom"), model.total), [params.get("zoom"), model]);
  const [folded, setFolded] = useFolds(model, params.get("fold"));
  const pick = useCallback((index: number) => setParams({ span: model.spans[index]?.id ?? null, panel: null }, true), [model]);

  const show = (index: number | undefined) => {
    if (index === undefined) return;
    const above = ancestors(model, index).filter((one) => folded.has(one));
    if (above.length) setFolded(new Set([...folded].filter((one) => !above.includes(one))));
    pick(index);
  };
  const next = (indexes: number[]) => show(indexes.find((index) => index > cursor) ?? indexes[0]);
  const step = (by: number) => {
    const rows = visibleSpans(model, folded);
    const at = rows.findIndex((index, row) => index <= cursor && (rows[row + 1] ?? Infinity) > cursor);
    pick(rows[Math.max(0, Math.min(rows.length - 1, at + by))] ?? 0);
  };
  const fold = (index: number, on = !folded.has(index)) => {
    const changed = new Set(folded);
    if (on && model.children[index]!.length) changed.add(index);
    else changed.delete(index);
    setFolded(changed);
  };
  const toggleCritical = () => setParams({ critical: critical ? "off" : null }, true);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    e: () => next(model.errors),
    c: toggleCritical,
    "[": () => fold(cursor, true),
    "]": () => fold(cursor, false),
    ArrowLeft: () => fold(cursor, true),
    ArrowRight: () => fold(cursor, false),
    Enter: () => pick(cursor),
    Escape: () => setParams({ span: null, panel: "off" }, true),
  });
  return { cursor, critical, search, matches, zoom, folded, setFolded, pick, fold, show, next, toggleCritical };
}

export type TraceState = ReturnType<typeof useTraceState>;

function zoomOf(text: string | null, total: number): Zoom {
  const match = /^([\d.e-]+)-([\d.e-]+)$/.exec(text ?? "");
  const [from, to] = match ? [Number(match[1]), Number(match[2])] : [0, total];
  return to > from && from >= 0 && to <= total * 1.01 ? { from, to } : { from: 0, to: total };
}

const IN_ADDRESS = 100; // folds beyond this are not kept in the address, which has a length

function useFolds(model: Model, text: string | null): [ReadonlySet<number>, (folds: ReadonlySet<number>) => void] {
  const [folded, setFolded] = useState<ReadonlySet<number>>(() => new Set(text?.split(".").map(Number).filter((index) => index < model.spans.length)));
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) setParams({ fold: folded.size && folded.size <= IN_ADDRESS ? [...folded].join(".") : null }, true);
    first.current = false;
  }, [folded]);
  return [folded, setFolded];
}
