import { useRef } from "preact/hooks";
import { count, plural } from "../lib/format";
import { useKeys } from "../lib/keys";
import { setParams } from "../lib/route";
import { Icon } from "../parts/bits";
import type { Model } from "./model";
import type { TraceState } from "./page";

/** Search, the next error, the critical path, folding and the way out of a zoom. */
export function TraceTools({ model, state, zoomed, search }: { model: Model; state: TraceState; zoomed: boolean; search: string }) {
  const input = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => input.current?.select() });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") state.next(state.matches);
    if (event.key === "Escape") input.current?.blur();
  };
  const at = state.matches.indexOf(state.cursor);
  return (
    <div class="tools">
      <label class="find">
        <Icon name="search" />
        <input ref={input} type="search" aria-label="Search the spans" placeholder="Search the spans" value={search} onInput={(event) => setParams({ find: event.currentTarget.value }, true)} onKeyDown={onKeyDown} />
        {search ? (
          <span class="quiet" role="status">
            {at >= 0 ? `${count(at + 1)} of ${count(state.matches.length)}` : count(state.matches.length)}
          </span>
        ) : (
          <kbd class="hide-narrow">/</kbd>
        )}
      </label>
      {model.errors.length > 0 && (
        <button type="button" class="to-error" title="Next error (e)" onClick={() => state.next(model.errors)}>
          <Icon name="error" /> {plural(model.errors.length, "error")}
        </button>
      )}
      <button type="button" aria-pressed={state.critical} title="Critical path (c)" onClick={state.toggleCritical}>
        Critical path
      </button>
      <span class="group hide-narrow">
        <button type="button" onClick={() => state.setFolded(new Set(model.children.flatMap((children, index) => (children.length && index > 0 ? [index] : []))))}>
          Fold all
        </button>
        <button type="button" disabled={!state.folded.size} onClick={() => state.setFolded(new Set())}>
          Unfold all
        </button>
      </span>
      {zoomed && (
        <button type="button" onClick={() => setParams({ zoom: null }, true)}>
          Whole trace
        </button>
      )}
    </div>
  );
}
