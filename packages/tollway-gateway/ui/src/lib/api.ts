import { events, type ServerEvent } from "./sse";

// Reads the API below the pages. Where the gateway has an admin key, the page asks for it and sends it along.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string | null = null,
    readonly position: number | null = null,
    readonly gone: { reason: string; detail?: string } | null = null,
  ) {
    super(message);
  }
}

const slot = "tollway.admin-key";
let key = session()?.getItem(slot) ?? null;

function session(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null; // storage is forbidden: the key is kept until the page is left
  }
}

export function setKey(value: string): void {
  key = value;
  session()?.setItem(slot, value);
}

const headers = (): Record<string, string> => (key ? { authorization: `Bearer ${key}` } : {});

/** A report is one file: its answers are in the page, and nothing is fetched. */
const report = readReport();

function readReport(): Record<string, unknown> | null {
  const text = document.getElementById("tollway-report")?.textContent;
  return text ? (JSON.parse(text) as { answers: Record<string, unknown> }).answers : null;
}

function reported(answers: Record<string, unknown>, path: string): unknown {
  const answer = answers[`api/${path}`];
  if (answer === undefined) throw new ApiError(404, "This is not in the report.", "It holds the traces that it was made from, and no more.");
  return answer;
}

export async function get<T>(path: string, params: Record<string, string | null | undefined> = {}, signal?: AbortSignal): Promise<T> {
  if (report) return reported(report, path) as T;
  const response = await ask(path, params, { headers: { accept: "application/json", ...headers() }, signal: signal ?? null });
  return (await response.json()) as T;
}

/** Server-sent events, from the last one seen again after a broken connection, until the signal ends it. */
export async function* live(
  path: string,
  params: Record<string, string | null | undefined>,
  signal: AbortSignal,
  onState: (connected: boolean) => void,
): AsyncGenerator<ServerEvent> {
  let last = "";
  for (let failures = 0; !signal.aborted && !report; failures += 1) {
    try {
      const more: Record<string, string> = last ? { "last-event-id": last } : {};
      const response = await ask(path, params, { headers: { accept: "text/event-stream", ...headers(), ...more }, signal });
      onState(true);
      for await (const event of events(response)) {
        failures = 0;
        last = event.id || last;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
    }
    onState(false);
    await pause(Math.min(10_000, 500 * 2 ** failures), signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

async function ask(path: string, params: Record<string, string | null | undefined>, options: RequestInit): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  const text = query.toString();
  let response: Response;
  try {
    response = await fetch(`api/${path}${text ? `?${text}` : ""}`, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "The server does not answer.", "Is it still running? The page tries again when you reload it.");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function failure(response: Response): Promise<ApiError> {
  try {
    const { error, gone } = (await response.json()) as {
      error: { message: string; hint?: string; position?: number };
      gone?: { reason: string; detail?: string };
    };
    return new ApiError(response.status, error.message, error.hint ?? null, error.position ?? null, gone ?? null);
  } catch {
    return new ApiError(response.status, `The server answered ${response.status} ${response.statusText}.`);
  }
}

/** Fetch a file with the key, and hand it to the browser as a download. */
export async function download(path: string, name: string): Promise<void> {
  const response = await ask(path, {}, { headers: headers() });
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
