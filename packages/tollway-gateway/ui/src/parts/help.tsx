import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "./bits";

const KEYS = [
  ["/", "Search: the filter of traces, or the spans of one"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open the trace, or the details of the span"],
  ["e", "Next error"],
  ["c", "Critical path on and off"],
  ["[  ]", "Fold and unfold the span"],
  ["Esc", "Close the details"],
  ["?", "This help"],
] as const;

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <header>
        <h2 id="help-title">Keyboard</h2>
        <IconButton icon="close" label="Close" onClick={() => dialog.current?.close()} />
      </header>
      <dl>
        {KEYS.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              {keys.split("  ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
