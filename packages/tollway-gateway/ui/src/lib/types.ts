// What the API answers; its OpenAPI document has the words.

export type Status = "OK" | "ERROR";

export interface Info {
  version: string;
  mode: "gateway" | "store" | "report";
  stores: string[];
  policy: { sampling_rate: number; slow_threshold_ms: number | null } | null;
  endpoints: Endpoint[];
  has_metrics: boolean;
  key_required: boolean;
}

export interface Endpoint {
  name: string;
  kind: "endpoint" | "route";
  task: string;
  model: string | null;
  provider: string | null;
}

export interface Row {
  trace_id: string;
  root: string | null;
  service: string | null;
  endpoint: string | null;
  model: string | null;
  start_ms: number;
  duration_ms: number;
  status: Status;
  spans: number;
  errors: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cost_usd: number | null;
  kept_because: string | null;
  session: string | null;
  user: string | null;
}

export interface TraceList {
  traces: Row[];
  next: string | null;
  counted: { matched: number | null; exact: boolean } | null;
  problems: string[];
}

export interface Points {
  trace_id: string[];
  start_ms: number[];
  duration_ms: number[];
  status: number[];
  kept: number[];
  kept_names: (string | null)[];
}

export type Attributes = Record<string, unknown>;

export interface SpanEvent {
  name: string;
  at_ms: number;
  attributes: Attributes;
}

export type Part =
  | { type: "text" | "reasoning"; text: string }
  | { type: "tool_call"; id?: string | null; name: string; arguments: unknown }
  | { type: "tool_result"; id?: string | null; name?: string | null; content: unknown }
  | { type: "image"; url: string }
  | { type: "json"; value: unknown };

export interface Message {
  role: string;
  parts: Part[];
  finish?: string | null;
}

export interface Conversation {
  messages: Message[];
}

export interface Span {
  id: string;
  parent: number;
  depth: number;
  name: string;
  kind: string;
  service: string | null;
  start_ms: number;
  duration_ms: number;
  self_ms: number;
  status: string;
  status_message: string | null;
  role: "attempt" | "retry" | "hedge" | "fallback" | null;
  reason: string | null;
  tokens: { input: number | null; output: number | null } | null;
  cost_usd: number | null;
  model: string | null;
  attributes: Attributes | null;
  events: SpanEvent[];
  links: { trace_id: string; span_id: string; attributes?: Attributes }[];
  resource: number;
  scope: string | null;
  error: { type: string | null; message: string | null; stacktrace: string | null } | null;
  conversation: Conversation | null;
  inputs: unknown;
  outputs: unknown;
}

export interface Agents {
  nodes: { name: string; kind: string; calls: number; errors: number; duration_ms: number }[];
  edges: { from: number; to: number; calls: number }[];
}

export interface Trace {
  trace_id: string;
  summary: Row;
  why: { sentence: string; kept_because: string | null; sampling_rate: number | null; stands_for: number | null };
  spans: Span[];
  critical_path: { span: number; start_ms: number; end_ms: number }[];
  agents: Agents | null;
  resources: Attributes[];
}

export interface Comparison {
  a: { summary: Row; spans: Span[] };
  b: { summary: Row; spans: Span[] };
  pairs: Pair[];
  text: { op: " " | "+" | "-"; line: string }[];
}

export interface Pair {
  a: number | null;
  b: number | null;
  path: string[];
  change: "same" | "slower" | "faster" | "added" | "gone";
  delta_ms: number | null;
}

export interface SessionRow {
  session: string;
  traces: number;
  errors: number;
  duration_ms: number;
  input_tokens: number | null;
  output_tokens: number | null;
  cost_usd: number | null;
  first_ms: number;
  last_ms: number;
}

export interface Session {
  session: string;
  traces: (Row & { messages: Message[] | null })[];
}

export interface ServiceMap {
  nodes: { name: string; kind: "service" | "model"; rate: number; calls: number; errors: number; p95_ms: number | null }[];
  edges: { from: string; to: string; calls: number; errors: number; p95_ms: number | null }[];
}

export interface Flame {
  name: string;
  value_ms: number;
  self_ms: number;
  count: number;
  children: Flame[];
}

export interface Overview {
  since_ms: number;
  requests: number;
  errors: number;
  in_flight?: number | null;
  latency: { p50: number | null; p95: number | null; p99: number | null };
  tokens: { input: number; output: number };
  cost_usd: number | null;
  series: { at_ms: number[]; requests: number[]; errors: number[]; p50: (number | null)[]; p95: (number | null)[] };
  limits: { name: string; denied?: number; used?: number; capacity?: number }[];
  budgets: { name: string; spent_usd: number; amount_usd: number; renews_ms: number | null }[];
  breakers: { upstream: string; state: string }[];
  spans: { kept: Record<string, number>; dropped: Record<string, number> };
}
