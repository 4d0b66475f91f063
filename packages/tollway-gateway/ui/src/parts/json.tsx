import { useState } from "preact/hooks";

// JSON as a tree: open at the top, folded below, and no more entries at once than one reads.

const AT_ONCE = 100;

export function Json({ value, depth = 0 }: { value: unknown; depth?: number }) {
  if (value === null || typeof value !== "object") return <Leaf value={value} />;
  const entries = Array.isArray(value) ? value.map((item, index): [string, unknown] => [String(index), item]) : Object.entries(value);
  if (!entries.length) return <span class="json-empty">{Array.isArray(value) ? "[]" : "{}"}</span>;
  return <Entries entries={entries} depth={depth} />;
}

function Entries({ entries, depth }: { entries: [string, unknown][]; depth: number }) {
  const [shown, setShown] = useState(AT_ONCE);
  return (
    <div class="json">
      {entries.slice(0, shown).map(([name, item]) => (
        <Entry key={name} name={name} item={item} depth={depth} />
      ))}
      {entries.length > shown && (
        <button type="button" class="link" onClick={() => setShown(shown + AT_ONCE)}>
          {entries.length - shown} more
        </button>
      )}
    </div>
  );
}

function Entry({ name, item, depth }: { name: string; item: unknown; depth: number }) {
  const [open, setOpen] = useState(depth < 1);
  if (item === null || typeof item !== "object" || !Object.keys(item).length)
    return (
      <div class="json-entry">
        <span class="json-name">{name}</span> <Json value={item} />
      </div>
    );
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="json-name">{name}</span> <span class="quiet">{sizeOf(item)}</span>
      </summary>
      {open && <Json value={item} depth={depth + 1} />}
    </details>
  );
}

const sizeOf = (item: object): string => (Array.isArray(item) ? `[${item.length}]` : `{${Object.keys(item).length}}`);

function Leaf({ value }: { value: unknown }) {
  const text = typeof value === "string" ? value : String(value);
  return <LongText text={text} kind={value === null ? "null" : typeof value} />;
}

const LONG = 600;

/** A text, of which the first lines are shown until one asks for the rest. */
export function LongText({ text, kind }: { text: string; kind: string }) {
  const [open, setOpen] = useState(false);
  if (text.length <= LONG || open) return <span class={`value value-${kind}`}>{text}</span>;
  return (
    <span class={`value value-${kind}`}>
      {text.slice(0, LONG)}…{" "}
      <button type="button" class="link" onClick={() => setOpen(true)}>
        all {text.length.toLocaleString("en-US")} characters
      </button>
    </span>
  );
}

/** What a text says as JSON, else the text itself: attributes carry objects as text. */
export function parsedOr(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
