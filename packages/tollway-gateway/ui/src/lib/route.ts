import { useEffect, useState } from "preact/hooks";

// The page's state is its address: `#/trace/ID?span=ID&tab=events`. Back and forward follow from that.

export interface Route {
  path: string[];
  params: URLSearchParams;
}

export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { path: path.split("/").filter(Boolean).map(decode), params: new URLSearchParams(query) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not ours: shown as it came
  }
}

export type Params = Record<string, string | null | undefined>;

/** The address of a page: `href(["trace", id], {span})`. Empty parameters are left out. */
export function href(path: string[], params: Params | URLSearchParams = {}): string {
  const kept = new URLSearchParams();
  const all = params instanceof URLSearchParams ? [...params] : Object.entries(params);
  for (const [name, value] of all) if (value) kept.set(name, value);
  const query = kept.toString().replaceAll("+", "%20").replaceAll("%3A", ":");
  return `#/${path.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

const listeners = new Set<() => void>();

export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, "", address);
  else if (address !== location.hash) history.pushState(null, "", address);
  for (const listener of [...listeners]) listener();
}

/** Change some parameters of the address: a new step of the history, or the current one in other words. */
export function setParams(changes: Params, replace = false): void {
  const { path, params } = parseHash(location.hash);
  for (const [name, value] of Object.entries(changes)) {
    if (value) params.set(name, value);
    else params.delete(name);
  }
  go(href(path, params), replace);
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const update = () => setHash(location.hash);
    listeners.add(update);
    addEventListener("hashchange", update);
    addEventListener("popstate", update);
    return () => {
      listeners.delete(update);
      removeEventListener("hashchange", update);
      removeEventListener("popstate", update);
    };
  }, []);
  return parseHash(hash);
}
