import { useEffect, useState } from "preact/hooks";

// Light or dark as the system has it, unless the switch says otherwise; canvases are drawn again on a change.

type Choice = "light" | "dark" | null;

const key = "tollway.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let generation = 0;

function stored(): Choice {
  try {
    const value = localStorage.getItem(key);
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null; // storage is forbidden: the system decides
  }
}

function apply(choice: Choice): void {
  document.documentElement.dataset["theme"] = choice ?? (system.matches ? "dark" : "light");
  generation += 1;
  tokens.clear();
  for (const listener of [...listeners]) listener();
}

export const isDark = (): boolean => document.documentElement.dataset["theme"] === "dark";

export function toggleTheme(): void {
  const next: Choice = isDark() ? "light" : "dark";
  const choice = next === (system.matches ? "dark" : "light") ? null : next;
  try {
    if (choice) localStorage.setItem(key, choice);
    else localStorage.removeItem(key);
  } catch {
    // kept until the page is left
  }
  apply(choice);
}

export function startTheme(): void {
  apply(stored());
  system.addEventListener("change", () => apply(stored()));
}

/** A number that changes with the theme: a dependency of whatever is drawn on a canvas. */
export function useTheme(): number {
  const [seen, setSeen] = useState(generation);
  useEffect(() => {
    const update = () => setSeen(generation);
    listeners.add(update);
    return () => void listeners.delete(update);
  }, []);
  return seen;
}

const tokens = new Map<string, string>();

/** A colour of the style sheet, for canvases: `token("accent")`. */
export function token(name: string): string {
  let value = tokens.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    tokens.set(name, value);
  }
  return value;
}
