import { events } from "./sse";

// One chat through the gateway's own API, streamed, with what a caller would measure.

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Answer {
  text: string;
  reasoning: string;
  firstTokenMs: number | null;
  totalMs: number | null;
  tokens: number | null;
  traceId: string | null;
  error: string | null;
}

export const NOTHING: Answer = { text: "", reasoning: "", firstTokenMs: null, totalMs: null, tokens: null, traceId: null, error: null };

interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[];
  usage?: { completion_tokens?: number } | null;
  error?: { message?: string };
}

export async function chat(model: string, messages: ChatMessage[], key: string, signal: AbortSignal, onAnswer: (answer: Answer) => void): Promise<void> {
  const started = performance.now();
  let answer = { ...NOTHING };
  const change = (part: Partial<Answer>) => onAnswer((answer = { ...answer, ...part }));
  try {
    const response = await fetch("../v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
    change({ traceId: traceOf(response.headers) });
    if (!response.ok) return change({ error: await refusal(response), totalMs: performance.now() - started });
    for await (const { data } of events(response)) if (data !== "[DONE]") change(read(JSON.parse(data) as Chunk, answer, performance.now() - started));
    change({ totalMs: performance.now() - started });
  } catch (error) {
    change({ error: signal.aborted ? "Stopped." : String(error instanceof Error ? error.message : error), totalMs: performance.now() - started });
  }
  return undefined;
}

function read(chunk: Chunk, answer: Answer, now: number): Partial<Answer> {
  if (chunk.error) return { error: chunk.error.message ?? "The stream broke." };
  const delta = chunk.choices?.[0]?.delta;
  const [text, reasoning] = [delta?.content ?? "", delta?.reasoning_content ?? ""];
  return {
    text: answer.text + text,
    reasoning: answer.reasoning + reasoning,
    firstTokenMs: answer.firstTokenMs ?? (text || reasoning ? now : null),
    tokens: chunk.usage?.completion_tokens ?? answer.tokens,
  };
}

function traceOf(headers: Headers): string | null {
  return headers.get("x-tollway-trace-id") ?? headers.get("traceresponse")?.split("-")[1] ?? null;
}

async function refusal(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error: { message: string } };
    return `${response.status}: ${error.message}`;
  } catch {
    return `The gateway answered ${response.status}.`;
  }
}
