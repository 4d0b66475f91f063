import { useMemo } from "preact/hooks";
import { count, duration, percent } from "../lib/format";
import { useLoad } from "../lib/load";
import { word } from "../lib/query";
import { href, type Route, setParams } from "../lib/route";
import type { ServiceMap } from "../lib/types";
import { Graph, type GraphEdge, type GraphNode } from "../parts/graph";
import { Notice, Problem, Skeleton } from "../parts/states";

const WINDOWS = ["15m", "1h", "1d", "7d"] as const;

/** Who calls whom, how often, how slow and how often in vain. A click shows the traces. */
export function ServicesPage({ route }: { route: Route }) {
  const window = WINDOWS.find((one) => one === route.params.get("window")) ?? "1d";
  const { data, error, reload } = useLoad<ServiceMap>("services", { window, q: route.params.get("q") });
  const graph = useMemo(() => data && graphOf(data), [data]);
  return (
    <main class="services-page" aria-label="Services">
      <div class="toolbar">
        <h1>Services</h1>
        <span class="quiet grow">Of the traces that are kept; a click shows them.</span>
        <span class="group" role="group" aria-label="Time">
          {WINDOWS.map((one) => (
            <button key={one} type="button" aria-pressed={one === window} onClick={() => setParams({ window: one })}>
              {one}
            </button>
          ))}
        </span>
      </div>
      {error ? <Problem error={error} retry={reload} /> : !graph ? <Skeleton /> : graph.nodes.length ? <div class="graph-box"><Graph {...graph} label="Services" /></div> : <Notice title={`No trace in the last ${window}`} />}
    </main>
  );
}

function graphOf(map: ServiceMap): { nodes: GraphNode[]; edges: GraphEdge[] } {
  return {
    nodes: map.nodes.map((node) => ({
      id: node.name,
      title: node.name,
      lines: [`${node.kind === "model" ? "model · " : ""}${rate(node.rate)}${node.errors ? ` · ${percent(node.errors, node.calls)} fail` : ""}`, `p95 ${duration(node.p95_ms)}`],
      service: node.name,
      failed: node.errors > 0,
      href: href(["traces"], { q: word(node.kind, node.name) }),
    })),
    edges: map.edges.map((edge) => ({
      from: edge.from,
      to: edge.to,
      label: `${count(edge.calls)} calls${edge.errors ? `, ${count(edge.errors)} failed` : ""}\np95 ${duration(edge.p95_ms)}`,
      failed: edge.errors > 0,
    })),
  };
}

const rate = (perSecond: number): string => (perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : perSecond * 60 >= 1 ? `${(perSecond * 60).toFixed(1)}/min` : `${(perSecond * 3600).toFixed(1)}/h`);
