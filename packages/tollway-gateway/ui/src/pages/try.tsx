import { useEffect, useRef, useState } from "preact/hooks";
import { type Answer, chat, type ChatMessage, NOTHING } from "../lib/chat";
import { count, duration } from "../lib/format";
import { useLoad } from "../lib/load";
import { href, type Route, setParams } from "../lib/route";
import type { Info, Trace } from "../lib/types";
import { Markdown } from "../parts/markdown";
import { Notice, Skeleton } from "../parts/states";
import { modelOf } from "../trace/model";
import { Waterfall } from "../trace/waterfall";

interface Turn {
  asked: string;
  answer: Answer;
}

let callerKey = ""; // in memory only: gone with the page

/** Send a chat to an endpoint, watch its stream, and see its trace beside it. */
export function TryPage({ route, info }: { route: Route; info: Info }) {
  const endpoints = info.endpoints.filter((one) => one.task === "llm/v1/chat");
  const model = route.params.get("model") ?? endpoints[0]?.name ?? "";
  const [turns, setTurns] = useState<Turn[]>([]);
  const [system, setSystem] = useState("");
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => () => running.current?.abort(), []);
  if (!endpoints.length)
    return (
      <Notice title="No endpoint to chat with">
        <p>Add one with endpoint_type: llm/v1/chat to the configuration.</p>
      </Notice>
    );

  const send = async (asked: string) => {
    const messages: ChatMessage[] = [
      ...(system ? [{ role: "system" as const, content: system }] : []),
      ...turns.filter((turn) => !turn.answer.error).flatMap((turn): ChatMessage[] => [{ role: "user", content: turn.asked }, { role: "assistant", content: turn.answer.text }]),
      { role: "user", content: asked },
    ];
    const abort = new AbortController();
    running.current = abort;
    setBusy(true);
    setTurns((old) => [...old, { asked, answer: NOTHING }]);
    await chat(model, messages, callerKey, abort.signal, (answer) => setTurns((old) => [...old.slice(0, -1), { asked, answer }]));
    setBusy(false);
  };
  const last = turns.at(-1);
  return (
    <main class="try-page" aria-label="Try it">
      <h1 class="hidden">Try it</h1>
      <section class="chat" aria-label="Chat">
        <Settings endpoints={endpoints} model={model} needsKey={info.key_required} system={system} onSystem={setSystem} onClear={() => setTurns([])} />
        <Thread turns={turns} />
        <Composer busy={busy} onSend={send} onStop={() => running.current?.abort()} />
      </section>
      <TraceBeside id={last?.answer.totalMs == null ? null : last.answer.traceId} waiting={busy} />
    </main>
  );
}

interface SettingsProps {
  endpoints: Info["endpoints"];
  model: string;
  needsKey: boolean;
  system: string;
  onSystem: (text: string) => void;
  onClear: () => void;
}

function Settings({ endpoints, model, needsKey, system, onSystem, onClear }: SettingsProps) {
  return (
    <form class="settings" onSubmit={(event) => event.preventDefault()}>
      <label>
        Endpoint{" "}
        <select value={model} onChange={(event) => setParams({ model: event.currentTarget.value }, true)}>
          {endpoints.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name} {one.model ? `(${one.model})` : `(${one.kind})`}
            </option>
          ))}
        </select>
      </label>
      <label>
        Key{" "}
        <input type="password" autocomplete="off" placeholder={needsKey ? "a caller's key" : "not needed"} onInput={(event) => void (callerKey = event.currentTarget.value)} />
      </label>
      <label class="grow">
        System <input value={system} placeholder="none" onInput={(event) => onSystem(event.currentTarget.value)} />
      </label>
      <button type="button" onClick={onClear}>
        New chat
      </button>
    </form>
  );
}

function Thread({ turns }: { turns: Turn[] }) {
  const end = useRef<HTMLDivElement>(null);
  const text = turns.at(-1)?.answer.text;
  useEffect(() => end.current?.scrollIntoView({ block: "end" }), [turns.length, text]);
  return (
    <div class="turns" role="log" aria-label="Conversation" tabIndex={0}>
      {!turns.length && <p class="quiet none">Ask something: the answer streams here, and its trace opens beside it.</p>}
      {turns.map((turn, index) => (
        <div key={index}>
          <p class="asked">{turn.asked}</p>
          {turn.answer.reasoning && (
            <details class="part">
              <summary>Reasoning</summary>
              <Markdown text={turn.answer.reasoning} />
            </details>
          )}
          {turn.answer.text && <Markdown text={turn.answer.text} />}
          {turn.answer.error && <p class="failure">{turn.answer.error}</p>}
          <Pace answer={turn.answer} />
        </div>
      ))}
      <div ref={end} />
    </div>
  );
}

function Pace({ answer }: { answer: Answer }) {
  const { firstTokenMs, totalMs, tokens, traceId } = answer;
  const rate = tokens && totalMs !== null && firstTokenMs !== null && totalMs > firstTokenMs ? tokens / ((totalMs - firstTokenMs) / 1000) : null;
  return (
    <p class="quiet pace">
      {firstTokenMs === null ? totalMs === null && "waiting …" : <span>first token after {duration(firstTokenMs)}</span>}
      {rate !== null && <span>{rate.toFixed(1)} tokens/s</span>}
      {tokens !== null && <span>{count(tokens)} tokens</span>}
      {totalMs !== null && <span>{duration(totalMs)}</span>}
      {traceId && totalMs !== null && <a href={href(["trace", traceId])}>Trace</a>}
    </p>
  );
}

function Composer({ busy, onSend, onStop }: { busy: boolean; onSend: (text: string) => void; onStop: () => void }) {
  const [text, setText] = useState("");
  const send = () => {
    if (!text.trim() || busy) return;
    onSend(text.trim());
    setText("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <div class="composer">
      <textarea rows={2} aria-label="Message" placeholder="Message (Enter sends, Shift+Enter is a new line)" value={text} onInput={(event) => setText(event.currentTarget.value)} onKeyDown={onKeyDown} />
      {busy ? (
        <button type="button" onClick={onStop}>
          Stop
        </button>
      ) : (
        <button type="button" class="primary" onClick={send} disabled={!text.trim()}>
          Send
        </button>
      )}
    </div>
  );
}

const RETRIES = 20;

/** The trace of the last answer. It is stored when its last span has ended, so the page asks until it is there. */
function TraceBeside({ id, waiting }: { id: string | null; waiting: boolean }) {
  const trace = useLoad<Trace>(id && `traces/${id}`);
  const tries = useRef(0);
  useEffect(() => void (tries.current = 0), [id]);
  useEffect(() => {
    if (trace.error?.status !== 404 || tries.current >= RETRIES) return undefined;
    tries.current += 1;
    const timer = setTimeout(trace.reload, 300);
    return () => clearTimeout(timer);
  }, [trace.error]);
  const model = trace.data?.trace_id === id && trace.data ? modelOf(trace.data) : null;
  return (
    <section class="beside" aria-label="Trace">
      {model ? <Beside model={model} /> : id && trace.error && tries.current >= RETRIES ? <Notice title="This trace was not kept">{trace.error.hint && <p>{trace.error.hint}</p>}</Notice> : id || waiting ? <Skeleton rows={6} /> : <p class="quiet none">The trace of the answer appears here.</p>}
    </section>
  );
}

const NO_FOLDS: ReadonlySet<number> = new Set();

function Beside({ model }: { model: ReturnType<typeof modelOf> }) {
  const id = model.trace.trace_id;
  return (
    <>
      <p class="beside-head">
        {model.trace.why.sentence} <a href={href(["trace", id])}>Open the trace</a>
      </p>
      <Waterfall model={model} folded={NO_FOLDS} found={NO_FOLDS} cursor={-1} zoom={{ from: 0, to: model.total }} critical onPick={(index) => void (location.hash = href(["trace", id], { span: model.spans[index]?.id }))} onFold={() => undefined} />
    </>
  );
}
