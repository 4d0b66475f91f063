import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { type ApiError, get, live } from "../lib/api";
import { count, duration, money, moment, percent, short } from "../lib/format";
import { asApiError } from "../lib/load";
import { word } from "../lib/query";
import { href } from "../lib/route";
import { token, useTheme } from "../lib/theme";
import type { Info, Overview } from "../lib/types";
import { Kept, When } from "../parts/bits";
import { Problem, Skeleton } from "../parts/states";
import { timesOf } from "./scatter";

// What the gateway does now. Each figure opens the list that it is made of.

export function OverviewPage({ info }: { info: Info }) {
  const { data, error } = useOverview();
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Skeleton />;
  return (
    <main class="scrolls" aria-label="Overview">
      <div class="column">
        <h1 class="hidden">Overview</h1>
        <Figures data={data} />
        <div class="cards">
          <Card title="Requests">
            <Series at={data.series.at_ms} lines={[{ values: data.series.requests, colour: "dot-other", name: "requests" }, { values: data.series.errors, colour: "dot-error", name: "errors" }]} say={short} />
          </Card>
          <Card title="Latency" note="p50 and p95">
            <Series at={data.series.at_ms} lines={[{ values: data.series.p50, colour: "dot-other", name: "p50" }, { values: data.series.p95, colour: "dot-slow", name: "p95" }]} say={duration} />
          </Card>
        </div>
        <div class="cards three">
          <Card title="Limits">
            <Limits limits={data.limits} />
          </Card>
          <Card title="Budgets">
            <Meters items={data.budgets.map((one) => ({ name: one.name, part: one.spent_usd, of: one.amount_usd, text: `${money(one.spent_usd)} of ${money(one.amount_usd)}` }))} none="No key has a budget." />
          </Card>
          <Card title="Circuit breakers">
            <Breakers breakers={data.breakers} />
          </Card>
        </div>
        <Kepts data={data} info={info} />
      </div>
    </main>
  );
}

function useOverview(): { data: Overview | null; error: ApiError | null } {
  const [data, setData] = useState<Overview | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const follow = async () => {
      setData(await get<Overview>("overview", {}, abort.signal));
      for await (const event of live("live", { overview: "1", traces: "0" }, abort.signal, () => undefined))
        if (event.event === "overview") setData(JSON.parse(event.data) as Overview);
    };
    follow().catch((problem: unknown) => abort.signal.aborted || setError(asApiError(problem)));
    return () => abort.abort();
  }, []);
  return { data, error };
}

function Figures({ data }: { data: Overview }) {
  const all = href(["traces"]);
  return (
    <>
      <p class="quiet since">
        Since {moment(data.since_ms).slice(0, 19)} (<When ms={data.since_ms} />)
      </p>
      <dl class="figures">
        <Figure name="Requests" value={short(data.requests)} note={data.in_flight ? `${short(data.in_flight)} in flight` : undefined} to={all} />
        <Figure name="Errors" value={short(data.errors)} note={percent(data.errors, data.requests)} tone={data.errors ? "error-text" : ""} to={href(["traces"], { q: "status:error" })} />
        <Figure name="p50" value={duration(data.latency.p50)} to={all} />
        <Figure name="p95" value={duration(data.latency.p95)} to={href(["traces"], { order: "slowest" })} />
        <Figure name="p99" value={duration(data.latency.p99)} to={href(["traces"], { order: "slowest" })} />
        <Figure name="Tokens" value={short(data.tokens.input + data.tokens.output)} note={`${short(data.tokens.input)} in`} to={all} />
        <Figure name="Cost" value={money(data.cost_usd)} to={all} />
      </dl>
    </>
  );
}

function Figure({ name, value, note, tone = "", to }: { name: string; value: string; note?: string; tone?: string; to: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <a class={tone} href={to}>
          {value}
        </a>
        {note && <span class="quiet">{note}</span>}
      </dd>
    </div>
  );
}

function Card({ title, note, children }: { title: string; note?: string; children: ComponentChildren }) {
  return (
    <section class="card">
      <h2>
        {title} {note && <span class="quiet">{note}</span>}
      </h2>
      {children}
    </section>
  );
}

interface Line {
  values: (number | null)[];
  colour: string;
  name: string;
}

interface SeriesProps {
  at: number[];
  lines: Line[];
  say: (value: number) => string;
}

function Series(props: SeriesProps) {
  return props.at.length < 2 ? <p class="quiet none series">The first points come within half a minute.</p> : <Lines {...props} />;
}

function Lines({ at, lines, say }: SeriesProps) {
  const host = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const plot = useRef<uPlot | null>(null);
  const data = [at.map((ms) => ms / 1000), ...lines.map((line) => line.values)] as uPlot.AlignedData;
  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    plot.current = new uPlot(seriesOptions(element, lines, say), data, element);
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: element.clientHeight }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      plot.current?.destroy();
    };
  }, [theme]);
  useEffect(() => plot.current?.setData(data), [at, lines]);
  const last = lines.map((line) => `${line.name} ${line.values.at(-1) == null ? "none" : say(line.values.at(-1)!)}`).join(", ");
  return <div class="series" ref={host} role="img" aria-label={`Over time; now ${last}`} />;
}

function seriesOptions(element: HTMLElement, lines: Line[], say: (value: number) => string): uPlot.Options {
  const axis = { stroke: token("quiet"), grid: { stroke: token("line"), width: 1 }, ticks: { show: false }, font: `11px ${token("font")}` };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, 0.001) * 1.1] } },
    axes: [{ ...axis, size: 22, gap: 2, space: 70, values: timesOf }, { ...axis, size: 54, gap: 4, space: 28, values: (_, splits) => splits.map((value) => (value === 0 ? "0" : say(value))) }],
    series: [{}, ...lines.map((line) => ({ stroke: token(line.colour), width: 1.6, fill: `${token(line.colour)}1c`, points: { show: false } }))],
  };
}

const NEAR = 0.8;

function Meters({ items, none }: { items: { name: string; part: number; of: number; text: string }[]; none: string }) {
  if (!items.length) return <p class="quiet none">{none}</p>;
  const sorted = [...items].sort((a, b) => b.part / b.of - a.part / a.of);
  return (
    <ul class="meters">
      {sorted.map((item) => (
        <li key={item.name}>
          <span>{item.name}</span> {item.part / item.of >= NEAR ? <b class={item.part >= item.of ? "number error-text" : "number"}>{item.text}</b> : <span class="number">{item.text}</span>}
          <i class="bar" role="meter" aria-label={item.name} aria-valuenow={Math.round((100 * item.part) / item.of)} aria-valuemin={0} aria-valuemax={100}>
            <i class={item.part >= item.of ? "bar-error" : ""} style={{ width: `${Math.min(100, (100 * item.part) / item.of)}%` }} />
          </i>
        </li>
      ))}
    </ul>
  );
}

/** The limits with what they denied, the most first; with how full they are, where that is known. */
function Limits({ limits }: { limits: Overview["limits"] }) {
  const full = limits.filter((one) => one.capacity);
  if (full.length) return <Meters items={full.map((one) => ({ name: one.name, part: one.used ?? 0, of: one.capacity ?? 1, text: `${short(one.used ?? 0)} of ${short(one.capacity ?? 0)}` }))} none="" />;
  if (!limits.length) return <p class="quiet none">No request was denied.</p>;
  return (
    <ul class="breakers">
      {[...limits].sort((a, b) => (b.denied ?? 0) - (a.denied ?? 0)).map((one) => (
        <li key={one.name}>
          <span>{one.name}</span>
          <span class={one.denied ? "error-text" : "quiet"}>{one.denied ? `${short(one.denied)} denied` : "none denied"}</span>
        </li>
      ))}
    </ul>
  );
}

function Breakers({ breakers }: { breakers: Overview["breakers"] }) {
  if (!breakers.length) return <p class="quiet none">No upstream was called yet.</p>;
  return (
    <ul class="breakers">
      {breakers.map((one) => (
        <li key={one.upstream}>
          <span>{one.upstream}</span>
          <span class={`badge ${one.state === "open" ? "kept-error" : one.state === "closed" ? "is-closed" : ""}`}>{one.state}</span>
        </li>
      ))}
    </ul>
  );
}

/** Which traces are kept and why, and how many are not. */
function Kepts({ data, info }: { data: Overview; info: Info }) {
  const kept = Object.entries(data.spans.kept).filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a);
  const dropped = Object.entries(data.spans.dropped).filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a);
  const total = [...kept, ...dropped].reduce((sum, [, value]) => sum + value, 0);
  return (
    <Card title="Traces kept and dropped" note={info.policy ? policyWords(info.policy) : undefined}>
      {total === 0 && <p class="quiet none">No trace ended yet.</p>}
      <ul class="shares">
        {kept.map(([why, value]) => (
          <li key={`kept ${why}`}>
            <a href={href(["traces"], { q: word("kept", why) })}>
              kept <Kept why={why} />
            </a>
            <Share value={value} total={total} tone={why === "error" ? "bar-error" : why === "slow" ? "bar-slow" : ""} />
          </li>
        ))}
        {dropped.map(([why, value]) => (
          <li key={`dropped ${why}`}>
            <span>
              dropped <Kept why={why} />
            </span>
            <Share value={value} total={total} tone="bar-dropped" />
          </li>
        ))}
      </ul>
    </Card>
  );
}

const Share = ({ value, total, tone }: { value: number; total: number; tone: string }) => (
  <>
    <i class="bar">
      <i class={tone} style={{ width: `${Math.max(0.4, (100 * value) / total)}%` }} />
    </i>
    <span class="number" title={count(value)}>
      {short(value)}
    </span>
  </>
);

function policyWords({ sampling_rate, slow_threshold_ms }: NonNullable<Info["policy"]>): string {
  const slow = slow_threshold_ms === null ? "" : `, all slower than ${duration(slow_threshold_ms)}`;
  return `errors always${slow}, ${percent(sampling_rate, 1)} of the rest`;
}
