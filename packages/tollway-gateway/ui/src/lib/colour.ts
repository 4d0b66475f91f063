// Ten colours that colour-blind readers can tell apart, without red and amber, which mean error and slow.
// A service has the same colour on every page: its own by name, the next free one where another has that.

const PALETTE = 10;
const key = "tollway.services";
const taken = new Map<string, number>(remembered());

function remembered(): [string, number][] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(value) ? value.filter(isEntry).slice(-50) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is [string, number] {
  return Array.isArray(value) && typeof value[0] === "string" && Number.isInteger(value[1]);
}

function hash(text: string): number {
  let value = 2166136261; // FNV-1a
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 16777619);
  return value >>> 0;
}

/** The index of a service's colour: the tokens `--service-0` to `--service-9`. */
export function colourOf(service: string | null): number {
  const name = service ?? "";
  const known = taken.get(name);
  if (known !== undefined) return known % PALETTE;
  const used = new Set(taken.values());
  let colour = hash(name) % PALETTE;
  for (let step = 0; step < PALETTE && used.has(colour); step += 1) colour = (colour + 1) % PALETTE;
  if (used.has(colour)) colour = hash(name) % PALETTE;
  taken.set(name, colour);
  try {
    localStorage.setItem(key, JSON.stringify([...taken]));
  } catch {
    // forgotten when the page is left
  }
  return colour;
}
