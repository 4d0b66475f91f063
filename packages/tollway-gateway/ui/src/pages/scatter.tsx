import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { date, duration, moment, time } from "../lib/format";
import type { Box } from "../lib/query";
import { token, useTheme } from "../lib/theme";
import type { Points } from "../lib/types";
import { toneOf } from "../parts/bits";

// Time across, duration up, a dot for each kept trace. Dots of one tone are one path, so ten thousand draw in a few ms.

interface ScatterProps {
  points: Points;
  box: Box;
  onBox: (box: Box) => void;
  onOpen: (traceId: string) => void;
}

const TONES = ["other", "slow", "error"] as const; // what matters most is drawn last
const RADIUS = 2.4;

export function Scatter({ points, box, onBox, onOpen }: ScatterProps) {
  const host = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const latest = useRef({ points, box, onBox, onOpen });
  latest.current = { points, box, onBox, onOpen };
  const plot = useRef<uPlot | null>(null);

  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const made = new uPlot(options(element, latest), dataOf(latest.current.points), element);
    plot.current = made;
    const stopHover = hover(made, latest);
    const sizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: element.clientHeight }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      stopHover();
      made.destroy();
    };
  }, [theme]);

  useEffect(() => plot.current?.setData(dataOf(points)), [points]);
  useEffect(() => plot.current?.redraw(false), [box.from, box.to, box.low, box.high]);

  const label = `${points.trace_id.length} traces by time and duration. Drag a box to filter.`;
  return <div class="scatter" ref={host} role="img" aria-label={label} data-dots={points.trace_id.length} />;
}

interface Latest {
  current: ScatterProps;
}

/** uPlot wants time to rise: the newest come first from the API. Its times are seconds. */
function dataOf(points: Points): uPlot.AlignedData {
  const order = orderOf(points);
  return [order.map((index) => (points.start_ms[index] ?? 0) / 1000), order.map((index) => Math.max(points.duration_ms[index] ?? 0, 0.001))];
}

const orders = new WeakMap<Points, number[]>();

function orderOf(points: Points): number[] {
  let order = orders.get(points);
  if (!order) {
    order = points.start_ms.map((_, index) => index).sort((a, b) => (points.start_ms[a] ?? 0) - (points.start_ms[b] ?? 0));
    orders.set(points, order);
  }
  return order;
}

function options(element: HTMLElement, latest: Latest): uPlot.Options {
  const axis = { stroke: token("quiet"), grid: { stroke: token("line"), width: 1 }, ticks: { show: false }, font: `11px ${token("font")}` };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    legend: { show: false },
    padding: [10, 22, 0, 0],
    cursor: { drag: { x: true, y: true, setScale: false, uni: 8 }, x: false, y: false, points: { show: false } },
    scales: { x: { time: true, range: xRange }, y: { distr: 3, log: 10, range: yRange } },
    axes: [
      { ...axis, size: 22, gap: 2, space: 70, values: timesOf },
      { ...axis, splits: roundValues, filter: (_, splits) => splits, size: 56, gap: 4, space: 24, values: (_, splits) => splits.map((at) => (at === null ? "" : duration(at))) },
    ],
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks: { draw: [(plot) => drawDots(plot, latest.current)], setSelect: [(plot) => selected(plot, latest.current)] },
  };
}

/** Clock times; where a day begins, its date. */
export function timesOf(_: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] {
  return splits.map((at) => {
    const text = time(at * 1000);
    if (step >= 86_400 || text === "00:00:00") return date(at * 1000);
    return step < 60 ? text : text.slice(0, 5);
  });
}

/** A line at each power of ten; at 2 and 5 times one too where there are few. */
function roundValues(_: uPlot, _axis: number, low: number, high: number): number[] {
  const steps = high / low < 300 ? [1, 2, 5] : [1];
  const powers = Array.from({ length: 24 }, (_value, index) => 10 ** (index - 8));
  return powers.flatMap((power) => steps.map((step) => power * step)).filter((at) => at >= low && at <= high);
}

const xRange = (_: uPlot, low: number | null, high: number | null): [number, number] => {
  const now = Date.now() / 1000;
  if (low === null || high === null || !Number.isFinite(low)) return [now - 3600, now];
  const margin = Math.max((high - low) * 0.02, 1);
  return [low - margin, high + margin];
};

const yRange = (_: uPlot, low: number | null, high: number | null): [number, number] => {
  if (low === null || high === null || !Number.isFinite(low) || high <= 0) return [1, 1000];
  const wider = Math.max(1.5, Math.sqrt((10 * low) / high)); // a decade at least
  return [low / wider, high * wider];
};

function drawDots(plot: uPlot, { points, box }: ScatterProps): void {
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  const [xs, ys] = [plot.data[0], plot.data[1] as number[]];
  const order = orderOf(points);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  for (const tone of TONES)
    for (const inside of [false, true]) {
      ctx.beginPath();
      for (let at = 0; at < xs.length; at += 1) {
        if (toneAt(points, order[at] ?? 0) !== tone || isInside(box, xs[at]! * 1000, ys[at]!) !== inside) continue;
        const x = plot.valToPos(xs[at]!, "x", true);
        const y = plot.valToPos(ys[at]!, "y", true);
        ctx.moveTo(x + RADIUS * ratio, y);
        ctx.arc(x, y, RADIUS * ratio, 0, 7);
      }
      ctx.globalAlpha = inside ? (tone === "other" ? 0.55 : 0.9) : 0.12;
      ctx.fillStyle = token(`dot-${tone}`);
      ctx.fill();
    }
  ctx.restore();
}

const isInside = (box: Box, start: number, ms: number): boolean => start >= box.from && start <= box.to && ms >= box.low && ms <= box.high;

function toneAt(points: Points, index: number): (typeof TONES)[number] {
  if (points.status[index]) return "error";
  return toneOf(points.kept_names[points.kept[index] ?? -1] ?? null);
}

function selected(plot: uPlot, { onBox }: ScatterProps): void {
  const { left, top, width, height } = plot.select;
  if (width < 3 && height < 3) return;
  const box = {
    from: plot.posToVal(left, "x") * 1000,
    to: plot.posToVal(left + width, "x") * 1000,
    low: height >= plot.over.clientHeight - 1 ? -Infinity : plot.posToVal(top + height, "y"),
    high: height >= plot.over.clientHeight - 1 ? Infinity : plot.posToVal(top, "y"),
  };
  if (width >= plot.over.clientWidth - 1) box.from = -Infinity;
  if (width >= plot.over.clientWidth - 1) box.to = Infinity;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onBox(box);
}

/** A tip at the nearest dot, and a click that opens it. */
function hover(plot: uPlot, latest: Latest): () => void {
  const tip = document.createElement("div");
  tip.className = "scatter-tip";
  tip.hidden = true;
  plot.over.append(tip);
  let near = -1;
  const move = (event: PointerEvent) => {
    near = event.buttons ? -1 : nearest(plot, event.offsetX, event.offsetY);
    tip.hidden = near < 0;
    plot.over.classList.toggle("on-dot", near >= 0);
    if (near >= 0) showTip(plot, tip, near, latest.current.points);
  };
  const leave = () => void (tip.hidden = true);
  const click = () => {
    const index = orderOf(latest.current.points)[near];
    const id = index === undefined ? undefined : latest.current.points.trace_id[index];
    if (near >= 0 && id) latest.current.onOpen(id);
  };
  plot.over.addEventListener("pointermove", move);
  plot.over.addEventListener("pointerleave", leave);
  plot.over.addEventListener("click", click);
  return () => tip.remove();
}

function showTip(plot: uPlot, tip: HTMLElement, near: number, points: Points): void {
  const index = orderOf(points)[near] ?? 0;
  const why = points.kept_names[points.kept[index] ?? -1] ?? "unknown";
  tip.textContent = `${duration(points.duration_ms[index])} · kept: ${why} · ${moment(points.start_ms[index] ?? 0).slice(11, 23)}`;
  const x = plot.valToPos(plot.data[0][near]!, "x");
  const y = plot.valToPos((plot.data[1] as number[])[near]!, "y");
  tip.style.left = `${Math.min(x + 10, plot.over.clientWidth - 230)}px`;
  tip.style.top = `${Math.max(y - 30, 2)}px`;
}

const REACH = 6;

function nearest(plot: uPlot, left: number, top: number): number {
  const xs = plot.data[0];
  const from = lowerBound(xs, plot.posToVal(left - REACH, "x"));
  const to = plot.posToVal(left + REACH, "x");
  let best = -1;
  let least = REACH * REACH;
  for (let at = from; at < xs.length && xs[at]! <= to; at += 1) {
    const dx = plot.valToPos(xs[at]!, "x") - left;
    const dy = plot.valToPos((plot.data[1] as number[])[at]!, "y") - top;
    if (dx * dx + dy * dy <= least) [best, least] = [at, dx * dx + dy * dy];
  }
  return best;
}

function lowerBound(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
