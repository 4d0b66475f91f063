import { count, duration, plural } from "../lib/format";
import type { Agents } from "../lib/types";
import type { GraphEdge, GraphNode } from "../parts/graph";

/** Agents, the tools and models they call, as nodes and edges. */
export function agentGraph(agents: Agents): { nodes: GraphNode[]; edges: GraphEdge[] } {
  return {
    nodes: agents.nodes.map((node, index) => ({
      id: String(index),
      title: node.name,
      lines: [`${node.kind} · ${plural(node.calls, "call")}`, duration(node.duration_ms)],
      service: node.kind,
      failed: node.errors > 0,
    })),
    edges: agents.edges.map((edge) => ({ from: String(edge.from), to: String(edge.to), label: edge.calls > 1 ? `${count(edge.calls)}×` : "", failed: false })),
  };
}
