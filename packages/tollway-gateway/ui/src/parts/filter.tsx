import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../lib/api";
import { useKeys } from "../lib/keys";
import { has, toggled, words } from "../lib/query";
import { setParams } from "../lib/route";
import { Icon, IconButton } from "./bits";

// The filter is one line of text, in which each word is drawn as a chip: it is edited as text and read as chips.

const EXAMPLE = 'service:shop status:error duration:>1s model:gpt-4 "refund"';

export function FilterBox({ query, error }: { query: string; error: ApiError | null }) {
  const [text, setText] = useState(query);
  const [scrolled, setScrolled] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(query), [query]);
  useKeys({ "/": () => input.current?.select() });
  const apply = (value: string) => setParams({ q: value.trim() });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    apply(text);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      setText(query);
      input.current?.blur();
    }
  };
  return (
    <search class="filter">
      <form class={error ? "filter-box wrong" : "filter-box"} onSubmit={submit}>
        <Icon name="search" />
        <div class="filter-text">
          <div class="filter-chips" aria-hidden="true" style={{ transform: `translateX(${-scrolled}px)` }}>
            {chips(text)}
          </div>
          <input
            ref={input}
            type="text"
            name="q"
            aria-label="Filter traces"
            aria-invalid={error !== null}
            aria-describedby={error ? "filter-error" : undefined}
            placeholder={EXAMPLE}
            autocomplete="off"
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            onScroll={(event) => setScrolled(event.currentTarget.scrollLeft)}
            onKeyDown={onKeyDown}
            onBlur={() => text.trim() !== query && apply(text)}
          />
        </div>
        {text && <IconButton icon="close" label="Clear the filter" onClick={() => apply("")} />}
        <kbd class="hide-narrow">/</kbd>
      </form>
      {error && <FilterError error={error} text={text} />}
    </search>
  );
}

function FilterError({ error, text }: { error: ApiError; text: string }) {
  return (
    <p class="filter-error" id="filter-error" role="alert">
      {error.message} {error.hint}
      {error.position !== null && text.slice(error.position) && (
        <span>
          {" "}
          At <code>{text.slice(error.position, error.position + 24)}</code>
        </span>
      )}
    </p>
  );
}

function chips(text: string) {
  const made = [];
  let from = 0;
  for (const word of words(text)) {
    if (word.start > from) made.push(text.slice(from, word.start));
    const name = word.name ? `${word.name}:` : "";
    made.push(
      <mark key={word.start} class={`chip chip-${word.name || "text"}`}>
        <i>{word.text.slice(0, name.length)}</i>
        {word.text.slice(name.length)}
      </mark>,
    );
    from = word.start + word.text.length;
  }
  made.push(text.slice(from));
  return made;
}

const QUICK = [
  ["status", "status:error", "Errors"],
  ["kept", "kept:slow", "Slow"],
] as const;
const TIMES = [
  ["since:15m", "15 min"],
  ["since:1h", "1 h"],
  ["since:24h", "24 h"],
  ["since:7d", "7 d"],
] as const;

/** The filters that are asked for most, as buttons that put their word in or out. */
export function QuickFilters({ query }: { query: string }) {
  const button = (name: string, word: string, title: string) => (
    <button key={word} type="button" aria-pressed={has(query, word)} onClick={() => setParams({ q: toggled(query, name, word) })}>
      {title}
    </button>
  );
  return (
    <div class="quick" role="group" aria-label="Quick filters">
      <span class="group">{QUICK.map(([name, word, title]) => button(name, word, title))}</span>
      <span class="group">{TIMES.map(([word, title]) => button("since", word, title))}</span>
    </div>
  );
}
