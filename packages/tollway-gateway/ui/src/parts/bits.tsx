import type { ComponentChildren } from "preact";
import { colourOf } from "../lib/colour";
import { ago, moment } from "../lib/format";

export function Service({ name }: { name: string | null }) {
  if (name === null) return <span class="quiet">–</span>;
  return (
    <span class="service">
      <i class={`dot service-${colourOf(name)}`} />
      {name}
    </span>
  );
}

export const When = ({ ms, now }: { ms: number; now?: number }) => (
  <time class="when" dateTime={new Date(ms).toISOString()} title={moment(ms)}>
    {ago(ms, now)}
  </time>
);

/** Why a trace was kept: red for errors only, amber for slow only. */
export const Kept = ({ why }: { why: string | null }) =>
  why === null ? <span class="quiet">–</span> : <span class={`kept kept-${toneOf(why)}`}>{why}</span>;

export function toneOf(why: string | null): "error" | "slow" | "other" {
  if (why === "error") return "error";
  return why === "slow" ? "slow" : "other";
}

export const Icon = ({ name }: { name: keyof typeof paths }) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
);

const paths = {
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M3 13l1.2-1.2M11.8 4.2 13 3",
  moon: "M13.5 9.8A6 6 0 1 1 6.2 2.5a4.8 4.8 0 0 0 7.3 7.3Z",
  help: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.7.4-1.1.8-1.1 1.7M8 12v.4M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  error: "M8 1.8 15 14H1zM8 6.2v3.6M8 11.8v.4",
} as const;

export function IconButton({ icon, label, onClick, pressed }: { icon: keyof typeof paths; label: string; onClick: () => void; pressed?: boolean }) {
  return (
    <button type="button" class="icon-button" title={label} aria-label={label} aria-pressed={pressed} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

export function Tabs<T extends string>({ tabs, current, onPick, label, panel }: { tabs: readonly (readonly [T, ComponentChildren])[]; current: T; onPick: (tab: T) => void; label: string; panel: string }) {
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const at = tabs.findIndex(([name]) => name === current);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (step === 0 || !next) return;
    event.preventDefault();
    onPick(next[0]);
    requestAnimationFrame(() => document.getElementById(`${panel}-${next[0]}`)?.focus());
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map(([name, title]) => (
        <button key={name} id={`${panel}-${name}`} type="button" role="tab" aria-selected={name === current} aria-controls={panel} tabIndex={name === current ? 0 : -1} onClick={() => onPick(name)}>
          {title}
        </button>
      ))}
    </div>
  );
}
