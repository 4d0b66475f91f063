import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../lib/format";
import { useTheme } from "../lib/theme";
import type { Model } from "./model";
import { paintMinimap, type Zoom } from "./paint";

const HEIGHT = 52;

/** The whole trace at a glance; drag across it to see a part, double-click to see all again. */
export function Minimap({ model, zoom, onZoom }: { model: Model; zoom: Zoom; onZoom: (zoom: Zoom | null) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [drag, setDrag] = useState<[number, number] | null>(null);

  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const paint = () => canvas.current && paintMinimap(canvas.current, element.clientWidth, HEIGHT, model);
    const sizes = new ResizeObserver(paint);
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [model, theme]);

  const share = (event: PointerEvent): number => {
    const box = host.current!.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  const down = (event: PointerEvent) => {
    host.current?.setPointerCapture(event.pointerId);
    setDrag([share(event), share(event)]);
  };
  const up = () => {
    if (!drag) return;
    const [from, to] = [Math.min(...drag), Math.max(...drag)];
    setDrag(null);
    if (to - from > 0.003) onZoom({ from: from * model.total, to: to * model.total });
  };
  const [from, to] = drag ? [Math.min(...drag), Math.max(...drag)] : [zoom.from / model.total, zoom.to / model.total];
  const whole = from <= 0 && to >= 1;
  return (
    <div
      class="minimap"
      ref={host}
      role="img"
      aria-label={`The whole trace, ${duration(model.total)}. Drag to see a part of it.`}
      onPointerDown={down}
      onPointerMove={(event) => drag && setDrag([drag[0], share(event)])}
      onPointerUp={up}
      onPointerCancel={() => setDrag(null)}
      onDblClick={() => onZoom(null)}
    >
      <canvas ref={canvas} />
      {!whole && (
        <>
          <i class="shade" style={{ left: 0, width: `${from * 100}%` }} />
          <i class="shade" style={{ left: `${to * 100}%`, right: 0 }} />
        </>
      )}
    </div>
  );
}
