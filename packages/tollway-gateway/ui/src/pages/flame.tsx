import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { colourOf } from "../lib/colour";
import { duration, percent, plural } from "../lib/format";
import { useLoad } from "../lib/load";
import { href, type Route, setParams } from "../lib/route";
import { token, useTheme } from "../lib/theme";
import type { Flame } from "../lib/types";
import { FilterBox } from "../parts/filter";
import { Empty, Problem, Skeleton } from "../parts/states";
import { sized } from "../trace/paint";

// Where the time of many traces goes: spans of one path are one box, as wide as the time they took in all.

export function FlamePage({ route }: { route: Route }) {
  const query = route.params.get("q") ?? "";
  const { data, error, loading, reload } = useLoad<Flame>("flame", { q: query });
  const wrong = error?.status === 400 ? error : null;
  return (
    <main class="flame-page" aria-label="Flame graph">
      <h1 class="hidden">Flame graph</h1>
      <FilterBox query={query} error={wrong} />
      {error && !wrong && <Problem error={error} retry={reload} />}
      {!data && loading && <Skeleton />}
      {data && !data.children.length && <Empty filtered={query !== ""} store={false} />}
      {data && data.children.length > 0 && <FlameGraph root={data} at={route.params.get("at")} query={query} />}
    </main>
  );
}

interface Box {
  flame: Flame;
  path: string[];
  depth: number;
  from: number;
  width: number;
}

const ROW = 22;

function boxesOf(root: Flame): Box[] {
  const made: Box[] = [];
  const add = (flame: Flame, path: string[], depth: number, from: number, scale: number) => {
    const width = flame.value_ms * scale;
    if (width < 0.0004) return;
    made.push({ flame, path, depth, from, width });
    const inner = flame.children.reduce((sum, child) => sum + child.value_ms, 0);
    const fitted = inner > flame.value_ms ? (scale * flame.value_ms) / inner : scale; // children in parallel take more than their parent
    let at = from;
    for (const child of [...flame.children].sort((a, b) => b.value_ms - a.value_ms)) {
      add(child, [...path, child.name], depth + 1, at, fitted);
      at += child.value_ms * fitted;
    }
  };
  add(root, [], 0, 0, 1 / Math.max(root.value_ms, 1e-9));
  return made;
}

function FlameGraph({ root, at, query }: { root: Flame; at: string | null; query: string }) {
  const focus = useMemo(() => focused(root, at), [root, at]);
  const boxes = useMemo(() => boxesOf(focus.flame), [focus]);
  const [over, setOver] = useState<Box | null>(null);
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const height = (Math.max(...boxes.map((box) => box.depth)) + 1) * ROW;
  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const draw = () => canvas.current && paint(canvas.current, element.clientWidth, height, boxes);
    const sizes = new ResizeObserver(draw);
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [boxes, theme]);
  const hit = (event: MouseEvent): Box | null => {
    const frame = canvas.current!.getBoundingClientRect();
    const [x, depth] = [(event.clientX - frame.left) / frame.width, Math.floor((event.clientY - frame.top) / ROW)];
    return boxes.find((box) => box.depth === depth && x >= box.from && x <= box.from + box.width) ?? null;
  };
  const shown = over ?? boxes[0]!;
  return (
    <>
      <p class="flame-say" role="status">
        <b>{shown.flame.name}</b> <span>{duration(shown.flame.value_ms)} in all, {percent(shown.flame.value_ms, root.value_ms)}</span> <span>{duration(shown.flame.self_ms)} itself</span> <span class="quiet">{plural(shown.flame.count, "span")}, {duration(shown.flame.value_ms / Math.max(shown.flame.count, 1))} each</span>
      </p>
      <p class="flame-ways">
        {at !== null && (
          <button type="button" onClick={() => setParams({ at: null })}>
            All of it
          </button>
        )}
        <a class="button" href={href(["traces"], { q: query })}>
          The traces
        </a>
      </p>
      <div class="flame" ref={host} tabIndex={0} role="img" aria-label={`Flame graph of ${plural(root.count, "trace")}`}>
        <canvas ref={canvas} onPointerMove={(event) => setOver(hit(event))} onPointerLeave={() => setOver(null)} onClick={(event) => { const box = hit(event); if (box) setParams({ at: JSON.stringify([...focus.path, ...box.path]) }); }} />
      </div>
      <Largest root={focus.flame} />
    </>
  );
}

function focused(root: Flame, at: string | null): { flame: Flame; path: string[] } {
  let flame = root;
  const path: string[] = [];
  for (const name of names(at)) {
    const next = flame.children.find((child) => child.name === name);
    if (!next) break;
    flame = next;
    path.push(name);
  }
  return { flame, path };
}

function names(at: string | null): string[] {
  try {
    const value: unknown = JSON.parse(at ?? "[]");
    return Array.isArray(value) ? value.map(String) : [];
  } catch {
    return [];
  }
}

function paint(canvas: HTMLCanvasElement, width: number, height: number, boxes: Box[]): void {
  const ctx = sized(canvas, width, height);
  if (!ctx) return;
  ctx.font = `12px ${token("font")}`;
  ctx.textBaseline = "middle";
  for (const { flame, depth, from, width: share } of boxes) {
    const [x, y, w] = [from * width, depth * ROW, share * width];
    ctx.globalAlpha = 0.42;
    ctx.fillStyle = token(depth === 0 ? "service-9" : `service-${colourOf(flame.name)}`);
    ctx.fillRect(x, y, Math.max(w - 1, 0.5), ROW - 1);
    ctx.globalAlpha = 1;
    if (w < 34) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(x, y, w - 4, ROW);
    ctx.clip();
    ctx.fillStyle = token("text");
    ctx.fillText(flame.name, x + 6, y + ROW / 2);
    ctx.restore();
  }
}

/** The same as a table: the names that take most time themselves. */
function Largest({ root }: { root: Flame }) {
  const by = new Map<string, { self: number; count: number }>();
  const add = (flame: Flame) => {
    const sum = by.get(flame.name) ?? { self: 0, count: 0 };
    by.set(flame.name, { self: sum.self + flame.self_ms, count: sum.count + flame.count });
    flame.children.forEach(add);
  };
  root.children.forEach(add);
  const rows = [...by].sort(([, a], [, b]) => b.self - a.self).slice(0, 12);
  return (
    <div class="table-box flame-table" tabIndex={0} role="region" aria-label="Self time by name">
      <table class="plain">
        <thead>
          <tr>
            <th>Most time itself</th>
            <th class="number">Self time</th>
            <th class="number">Of all</th>
            <th class="number">Spans</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, sum]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="number">{duration(sum.self)}</td>
              <td class="number">{percent(sum.self, root.value_ms)}</td>
              <td class="number">{sum.count}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
