import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, download } from "../lib/api";
import { count, duration, money, moment, plural } from "../lib/format";
import { asApiError, useLoad } from "../lib/load";
import { word } from "../lib/query";
import { go, href } from "../lib/route";
import type { TraceList } from "../lib/types";
import { Icon, IconButton, Kept, Service, When } from "../parts/bits";
import type { Model } from "./model";

/** Why the trace is here, in words; what it is; and what one can do with it. */
export function TraceHead({ model, fixed }: { model: Model; fixed: boolean }) {
  const { trace } = model;
  const { summary, why } = trace;
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [comparing, setComparing] = useState(false);
  const save = (kind: "otlp" | "jaeger") => download(`traces/${trace.trace_id}/${kind}`, `${trace.trace_id}.${kind}.json`).catch((error: unknown) => setProblem(asApiError(error)));
  return (
    <header class="trace-head">
      <div class="trace-words">
        <h1>{why.sentence}</h1>
        <p class="quiet trace-facts">
          <Service name={summary.service} />
          <time dateTime={new Date(summary.start_ms).toISOString()}>{moment(summary.start_ms)}</time>
          <span>{plural(model.spans.length, "span")}</span>
          {model.errors.length > 0 && <span class="error-text">{plural(model.errors.length, "error")}</span>}
          {summary.input_tokens !== null && <span>{count((summary.input_tokens ?? 0) + (summary.output_tokens ?? 0))} tokens</span>}
          {summary.cost_usd !== null && <span>{money(summary.cost_usd)}</span>}
          {why.kept_because && (
            <a class="quiet-link" href={href(["traces"], { q: word("kept", why.kept_because) })}>
              <Kept why={why.kept_because} />
            </a>
          )}
          {problem && <span class="error-text">{problem.message}</span>}
        </p>
      </div>
      <div class="actions">
        <CopyId id={trace.trace_id} />
        {!fixed && <span class="group">
          <button type="button" onClick={() => save("otlp")} title="Download as OTLP JSON">
            <Icon name="download" /> OTLP
          </button>
          <button type="button" onClick={() => save("jaeger")} title="Download as Jaeger JSON">
            Jaeger
          </button>
        </span>}
        {!fixed && <button type="button" onClick={() => setComparing(true)}>
          Compare with …
        </button>}
        {summary.session && !fixed && (
          <a class="button" href={href(["session", summary.session])}>
            Session
          </a>
        )}
      </div>
      {comparing && <CompareWith id={trace.trace_id} root={summary.root} onClose={() => setComparing(false)} />}
    </header>
  );
}

function CopyId({ id }: { id: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(id);
    } catch {
      fallbackCopy(id); // plain http on another host has no clipboard API
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button type="button" onClick={copy} title={id}>
      <Icon name="copy" /> <span class="hidden">Copy the id </span>
      <span aria-live="polite">{copied ? "Copied" : <span class="mono">{id.slice(0, 8)}</span>}</span>
    </button>
  );
}

function fallbackCopy(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Other traces of the same root, to compare this one with; or any by its id. */
function CompareWith({ id, root, onClose }: { id: string; root: string | null; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const alike = useLoad<TraceList>("traces", { q: root ? `"${root.replace(/["\\]/g, "\\$&")}"` : "", limit: "12" });
  const others = alike.data?.traces.filter((row) => row.trace_id !== id) ?? [];
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("id");
    if (field instanceof HTMLInputElement && field.value.trim()) go(href(["compare", id, field.value.trim()]));
  };
  return (
    <dialog ref={dialog} class="compare-with" aria-labelledby="compare-title" onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <header>
        <h2 id="compare-title">Compare with</h2>
        <IconButton icon="close" label="Close" onClick={() => dialog.current?.close()} />
      </header>
      <form onSubmit={submit}>
        <input name="id" class="mono" aria-label="Trace id" placeholder="Trace id" autocomplete="off" spellcheck={false} />
        <button type="submit">Compare</button>
      </form>
      <ul>
        {others.map((row) => (
          <li key={row.trace_id}>
            <a href={href(["compare", id, row.trace_id])}>
              <span>{row.root}</span> <b class="number">{duration(row.duration_ms)}</b> <Kept why={row.kept_because} /> <When ms={row.start_ms} />
            </a>
          </li>
        ))}
      </ul>
      {alike.data && !others.length && <p class="quiet none">No other trace of {root ?? "this kind"} is kept.</p>}
    </dialog>
  );
}
