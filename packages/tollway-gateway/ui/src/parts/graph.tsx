import { useMemo } from "preact/hooks";
import { colourOf } from "../lib/colour";

// A small layered graph: who calls stands left of what is called. Enough for services, agents and tools.

export interface GraphNode {
  id: string;
  title: string;
  lines: string[];
  service: string;
  failed: boolean;
  href?: string;
}

export interface GraphEdge {
  from: string;
  to: string;
  label: string;
  failed: boolean;
  href?: string;
}

interface Placed extends GraphNode {
  x: number;
  y: number;
}

const WIDTH = 184;
const HEIGHT = 62;
const GAP_X = 190;
const GAP_Y = 34;
const LABEL_AT = 0.66; // of the way: edges that leave one node are apart there

export function Graph({ nodes, edges, label }: { nodes: GraphNode[]; edges: GraphEdge[]; label: string }) {
  const placed = useMemo(() => layout(nodes, edges), [nodes, edges]);
  const by = new Map(placed.map((node) => [node.id, node]));
  const width = Math.max(...placed.map((node) => node.x + WIDTH), 100) + 24;
  const height = Math.max(...placed.map((node) => node.y + HEIGHT), 60) + 24;
  return (
    <div class="graph" tabIndex={0} role="group" aria-label={label}>
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="presentation">
        {edges.map((edge, index) => {
          const [from, to] = [by.get(edge.from), by.get(edge.to)];
          return from && to && <Edge key={index} edge={edge} from={from} to={to} />;
        })}
        {placed.map((node) => (
          <Node key={node.id} node={node} />
        ))}
      </svg>
    </div>
  );
}

function Edge({ edge, from, to }: { edge: GraphEdge; from: Placed; to: Placed }) {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const back = x2 <= x1;
  const bend = back ? 60 : (x2 - x1) / 2;
  const lift = back ? HEIGHT : 0;
  const path = `M${x1} ${y1}C${x1 + bend} ${y1 + lift} ${x2 - bend} ${y2 + lift} ${x2} ${y2}`;
  const lines = edge.label.split("\n");
  const t = back ? 0.5 : LABEL_AT;
  const [x, y] = [x1 + (x2 - x1) * t, y1 + (y2 - y1) * t * t * (3 - 2 * t) + lift * 0.75 - (lines.length - 1) * 7 - 6];
  const text = edge.label && (
    <text class="edge-label" x={x} y={y}>
      {lines.map((line, index) => (
        <tspan key={index} x={x} dy={index ? 14 : 0}>
          {line}
        </tspan>
      ))}
    </text>
  );
  return (
    <g class={edge.failed ? "edge failed" : "edge"}>
      <path d={path} />
      <path class="arrow" d={`M${x2 - 7} ${y2 - 4}L${x2} ${y2}L${x2 - 7} ${y2 + 4}`} />
      {edge.href ? <a href={edge.href}>{text}</a> : text}
    </g>
  );
}

function Node({ node }: { node: Placed }) {
  const body = (
    <g class={node.failed ? "node failed" : "node"} transform={`translate(${node.x} ${node.y})`}>
      <title>{node.title}</title>
      <rect width={WIDTH} height={HEIGHT} rx="8" />
      <rect class={`stripe-fill fill-${colourOf(node.service)}`} width="4" height={HEIGHT - 16} x="8" y="8" rx="2" />
      <text x="20" y="20" class="node-title">
        {node.title.length > 23 ? `${node.title.slice(0, 22)}…` : node.title}
      </text>
      {node.lines.map((line, index) => (
        <text key={index} x="20" y={36 + index * 15} class="node-line">
          {line}
        </text>
      ))}
    </g>
  );
  return node.href ? <a href={node.href}>{body}</a> : body;
}

function layout(nodes: GraphNode[], edges: GraphEdge[]): Placed[] {
  const level = levels(nodes, edges);
  const layers: GraphNode[][] = [];
  for (const node of nodes) (layers[level.get(node.id) ?? 0] ??= []).push(node);
  const place = new Map<string, number>();
  const tallest = Math.max(...layers.map((layer) => layer?.length ?? 0), 1);
  return layers.flatMap((layer, x) => {
    const sorted = [...(layer ?? [])].sort((a, b) => weight(a, edges, place) - weight(b, edges, place));
    const top = ((tallest - sorted.length) * (HEIGHT + GAP_Y)) / 2;
    sorted.forEach((node, index) => place.set(node.id, top + index * (HEIGHT + GAP_Y)));
    return sorted.map((node) => ({ ...node, x: 20 + x * (WIDTH + GAP_X), y: 20 + (place.get(node.id) ?? 0) }));
  });
}

/** The mean place of those that call a node: edges then cross seldom. */
function weight(node: GraphNode, edges: GraphEdge[], place: Map<string, number>): number {
  const callers = edges.filter((edge) => edge.to === node.id && place.has(edge.from)).map((edge) => place.get(edge.from) ?? 0);
  return callers.length ? callers.reduce((sum, value) => sum + value, 0) / callers.length : Number.MAX_SAFE_INTEGER;
}

/** One level more than the deepest caller; an edge that closes a circle does not count. */
function levels(nodes: GraphNode[], edges: GraphEdge[]): Map<string, number> {
  const out = new Map<string, string[]>();
  for (const { from, to } of edges) if (from !== to) out.set(from, [...(out.get(from) ?? []), to]);
  const level = new Map<string, number>();
  const open = new Set<string>();
  const visit = (id: string, depth: number) => {
    if (open.has(id) || (level.get(id) ?? -1) >= depth || depth > nodes.length) return;
    level.set(id, depth);
    open.add(id);
    for (const next of out.get(id) ?? []) visit(next, depth + 1);
    open.delete(id);
  };
  const called = new Set(edges.filter(({ from, to }) => from !== to).map(({ to }) => to));
  for (const node of nodes) if (!called.has(node.id)) visit(node.id, 0);
  for (const node of nodes) if (!level.has(node.id)) visit(node.id, 0);
  return level;
}
