import type { ComponentChildren, RefObject } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

// Rows of one height, of which only those in view are in the document, and a screenful before and after them:
// the browser scrolls before the next frame is drawn, and then finds rows there already.

export interface View {
  first: number;
  end: number;
}

interface VirtualOptions {
  count: number;
  rowHeight: number;
}

interface Virtual {
  scroller: RefObject<HTMLDivElement | null>;
  view: View;
  scrollTo: (index: number) => void;
}

const STEP = 8; // rows by which the window moves: not every pixel renders

export function useVirtual({ count, rowHeight }: VirtualOptions): Virtual {
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<View>({ first: 0, end: Math.min(count, 60) });
  const shape = useRef({ count, rowHeight });
  shape.current = { count, rowHeight };

  const update = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    const { count: total, rowHeight: height } = shape.current;
    const visible = Math.ceil(box.clientHeight / height) + 1;
    const top = Math.floor(box.scrollTop / height);
    const first = Math.max(0, Math.floor((top - visible) / STEP) * STEP);
    const end = Math.min(total, Math.ceil((top + 2 * visible) / STEP) * STEP);
    setView((old) => (old.first === first && old.end === end ? old : { first, end }));
  }, []);

  useLayoutEffect(update, [count, rowHeight]);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    const sizes = new ResizeObserver(update);
    sizes.observe(box);
    box.addEventListener("scroll", update, { passive: true });
    return () => {
      sizes.disconnect();
      box.removeEventListener("scroll", update);
    };
  }, []);

  const scrollTo = useCallback((index: number) => {
    const box = scroller.current;
    if (!box) return;
    const height = shape.current.rowHeight;
    const top = index * height;
    const space = box.clientHeight - height;
    if (top < box.scrollTop) box.scrollTop = Math.max(0, top - 2 * height);
    else if (top > box.scrollTop + space) box.scrollTop = top - space + 2 * height;
    update();
  }, []);

  return { scroller, view: { first: Math.min(view.first, count), end: Math.min(Math.max(view.end, view.first), count) }, scrollTo };
}

/** The rows in view, pushed down to their place. */
export function Window({ view, count, rowHeight, children }: { view: View; count: number; rowHeight: number; children: ComponentChildren }) {
  return (
    <div class="virtual" role="rowgroup" style={{ height: `${count * rowHeight}px` }}>
      <div class="virtual-window" role="presentation" style={{ transform: `translateY(${view.first * rowHeight}px)` }}>
        {children}
      </div>
    </div>
  );
}

/** Whether the page is as narrow as a phone. */
export function useNarrow(query = "(max-width: 640px)"): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const update = () => setNarrow(media.matches);
    media.addEventListener("change", update);
    return () => media.removeEventListener("change", update);
  }, [query]);
  return narrow;
}
