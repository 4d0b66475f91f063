import { colourOf } from "../lib/colour";
import { duration } from "../lib/format";
import { token } from "../lib/theme";
import { type Model, selfTimes } from "./model";

// Draws the bars of the rows in view. One canvas moves with the rows, so that nothing is laid out while one scrolls.

export const ROW = 28;
const BAR_TOP = 8;
const BAR = 12;

export interface Zoom {
  from: number;
  to: number;
}

export interface Scene {
  model: Model;
  rows: Int32Array;
  rowOf: Int32Array;
  first: number;
  end: number;
  zoom: Zoom;
  critical: boolean;
}

export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = devicePixelRatio;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context?.scale(ratio, ratio);
  return context;
}

export function paintRows(canvas: HTMLCanvasElement, width: number, scene: Scene): void {
  const ctx = sized(canvas, width, (scene.end - scene.first) * ROW);
  if (!ctx || width < 10) return;
  const scale = width / (scene.zoom.to - scene.zoom.from);
  const x = (ms: number) => (ms - scene.zoom.from) * scale;
  ctx.font = `11px ${token("font")}`;
  ctx.textBaseline = "middle";
  paintGrid(ctx, width, (scene.end - scene.first) * ROW);
  for (let row = scene.first; row < scene.end; row += 1) paintRow(ctx, scene, row, x, width);
  if (scene.critical) paintPath(ctx, scene, x, width);
  for (let row = scene.first; row < scene.end; row += 1) paintLabel(ctx, scene, row, x, width);
}

export const TICKS = 4;

function paintGrid(ctx: CanvasRenderingContext2D, width: number, height: number): void {
  ctx.fillStyle = token("line");
  for (let tick = 1; tick < TICKS; tick += 1) ctx.fillRect(Math.round((width * tick) / TICKS), 0, 1, height);
}

function paintRow(ctx: CanvasRenderingContext2D, scene: Scene, row: number, x: (ms: number) => number, width: number): void {
  const index = scene.rows[row]!;
  const span = scene.model.spans[index]!;
  const top = (row - scene.first) * ROW + BAR_TOP;
  const left = x(span.start_ms);
  const right = Math.max(x(span.start_ms + span.duration_ms), left + 2);
  if (right < 0 || left > width) return paintOutside(ctx, top, left > width, width);
  const colour = token(`service-${colourOf(span.service)}`);
  ctx.fillStyle = colour;
  ctx.globalAlpha = 0.38;
  bar(ctx, left, top, right, width);
  ctx.globalAlpha = 1;
  for (const [from, to] of selfTimes(scene.model, index)) if (x(to) - x(from) >= 0.4) bar(ctx, x(from), top, Math.max(x(to), x(from) + 1), width);
  if (right - left <= 2.5) bar(ctx, left, top, right, width);
  if (span.status === "ERROR") {
    ctx.fillStyle = token("dot-error");
    ctx.fillRect(Math.max(left, 0), top + BAR + 1, Math.max(Math.min(right, width) - Math.max(left, 0), 3), 2);
  }
  paintEvents(ctx, scene, index, top, x, width);
  return undefined;
}

function bar(ctx: CanvasRenderingContext2D, left: number, top: number, right: number, width: number): void {
  const from = Math.max(left, -4);
  const to = Math.min(right, width + 4);
  if (to - from > 0) ctx.fillRect(from, top, to - from, BAR);
}

function paintOutside(ctx: CanvasRenderingContext2D, top: number, after: boolean, width: number): void {
  ctx.fillStyle = token("quiet");
  ctx.fillText(after ? "→" : "←", after ? width - 16 : 4, top + BAR / 2);
}

function paintEvents(ctx: CanvasRenderingContext2D, scene: Scene, index: number, top: number, x: (ms: number) => number, width: number): void {
  let last = -10;
  for (const event of scene.model.spans[index]!.events) {
    const at = x(event.at_ms);
    if (at < 0 || at > width || at - last < 2) continue;
    last = at;
    ctx.fillStyle = event.name === "exception" ? token("dot-error") : token("text");
    ctx.fillRect(Math.round(at), top - 3, 1.5, BAR + 5);
  }
}

/** How long a span took: behind its bar, before it, or on it, where there is room. */
function paintLabel(ctx: CanvasRenderingContext2D, scene: Scene, row: number, x: (ms: number) => number, width: number): void {
  const span = scene.model.spans[scene.rows[row]!]!;
  const y = (row - scene.first) * ROW + BAR_TOP + BAR / 2 + 0.5;
  const left = x(span.start_ms);
  const right = Math.max(x(span.start_ms + span.duration_ms), left + 2);
  if (right < 0 || left > width) return;
  const text = duration(span.duration_ms);
  const size = ctx.measureText(text).width;
  ctx.fillStyle = token("quiet");
  if (right + 6 + size <= width) ctx.fillText(text, Math.max(right + 6, 4), y);
  else if (left - 6 - size >= 0) ctx.fillText(text, left - 6 - size, y);
  else paintInside(ctx, text, y, Math.max(left, 0) + 6, size);
}

function paintInside(ctx: CanvasRenderingContext2D, text: string, y: number, x: number, size: number): void {
  ctx.fillStyle = token("page");
  ctx.globalAlpha = 0.82;
  ctx.fillRect(x - 3, y - 6.5, size + 6, 12);
  ctx.globalAlpha = 1;
  ctx.fillStyle = token("text");
  ctx.fillText(text, x, y);
}

const THIN = 1.2;

/** The critical path as one line: along each span on it, and up or down to the next where that takes over. */
function paintPath(ctx: CanvasRenderingContext2D, scene: Scene, x: (ms: number) => number, width: number): void {
  const y = (span: number) => (scene.rowOf[span]! - scene.first) * ROW + BAR_TOP + BAR / 2;
  const bottom = (scene.end - scene.first) * ROW;
  const within = (value: number) => Math.max(-5, Math.min(width + 5, value));
  ctx.strokeStyle = token("critical");
  ctx.lineWidth = 1.6;
  ctx.lineJoin = "round";
  ctx.beginPath();
  let before: number | null = null;
  for (const part of scene.model.path) {
    const at = y(part.span);
    const [from, to] = [within(x(part.start_ms)), within(x(part.end_ms))];
    if (to - from < THIN) continue; // a parent that only hands over from one child to the next
    if (before !== null && before !== at && Math.max(before, at) >= 0 && Math.min(before, at) <= bottom) {
      ctx.moveTo(from, before);
      ctx.lineTo(from, at);
    }
    if (at >= 0 && at <= bottom) {
      ctx.moveTo(from, at);
      ctx.lineTo(Math.max(to, from + 0.5), at);
    }
    before = at;
  }
  ctx.stroke();
}

/** The whole trace in a strip: a line for each span, errors last. */
export function paintMinimap(canvas: HTMLCanvasElement, width: number, height: number, model: Model): void {
  const ctx = sized(canvas, width, height);
  if (!ctx) return;
  const scale = width / model.total;
  const step = Math.min(6, (height - 6) / Math.max(model.spans.length, 1));
  const line = Math.max(1, Math.min(step * 0.7, 4));
  const paint = (index: number, least: number) => {
    const { start_ms, duration_ms } = model.spans[index]!;
    ctx.fillRect(start_ms * scale, 3 + index * step, Math.max(duration_ms * scale, least), line);
  };
  ctx.globalAlpha = 0.8;
  model.spans.forEach((span, index) => {
    ctx.fillStyle = token(`service-${colourOf(span.service)}`);
    paint(index, 1);
  });
  ctx.globalAlpha = 1;
  ctx.fillStyle = token("dot-error");
  for (const index of model.errors) paint(index, 3);
}
