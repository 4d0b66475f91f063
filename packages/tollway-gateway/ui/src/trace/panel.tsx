import { duration, money, moment, plural } from "../lib/format";
import { useLoad } from "../lib/load";
import { word } from "../lib/query";
import { href, setParams } from "../lib/route";
import type { Attributes, Span, SpanEvent, Trace } from "../lib/types";
import { IconButton, Service, Tabs } from "../parts/bits";
import { Messages } from "../parts/conversation";
import { Json, LongText, parsedOr } from "../parts/json";
import { Problem, Skeleton } from "../parts/states";

// The details of one span. A large trace comes without attributes; they are fetched for the span one looks at.

type Tab = "conversation" | "attributes" | "events" | "links" | "resource" | "raw";

export function Panel({ trace, index, tab, onClose }: { trace: Trace; index: number; tab: string | null; onClose: () => void }) {
  const listed = trace.spans[index]!;
  const more = useLoad<Span>(listed.attributes === null ? `traces/${trace.trace_id}/spans/${listed.id}` : null);
  const span = listed.attributes === null ? (more.data?.id === listed.id ? { ...listed, ...more.data, depth: listed.depth, parent: listed.parent } : listed) : listed;
  const tabs = tabsOf(span);
  const current = tabs.find(([name]) => name === tab)?.[0] ?? tabs[0]?.[0] ?? "attributes";
  return (
    <aside class="panel" aria-label="Details of the span">
      <Head span={span} onClose={onClose} />
      <Tabs tabs={tabs} current={current} label="Details" panel="panel-body" onPick={(name) => setParams({ tab: name }, true)} />
      <div class="panel-body" id="panel-body" role="tabpanel" aria-labelledby={`panel-body-${current}`} tabIndex={0}>
        {more.error ? <Problem error={more.error} retry={more.reload} /> : span.attributes === null ? <Skeleton rows={6} /> : <Body trace={trace} span={span} tab={current} />}
      </div>
    </aside>
  );
}

function tabsOf(span: Span): [Tab, string][] {
  const tabs: [Tab, string][] = [
    ["attributes", "Attributes"],
    ["events", span.events.length ? `Events ${span.events.length}` : "Events"],
    ["links", span.links.length ? `Links ${span.links.length}` : "Links"],
    ["resource", "Resource"],
    ["raw", "Raw"],
  ];
  return span.conversation ? [["conversation", "Conversation"], ...tabs] : tabs;
}

function Head({ span, onClose }: { span: Span; onClose: () => void }) {
  return (
    <header class="panel-head">
      <div>
        <h2>{span.name}</h2>
        <IconButton icon="close" label="Close the details" onClick={onClose} />
      </div>
      <p class="quiet">
        <Service name={span.service} /> · {span.kind.toLowerCase()} · {duration(span.duration_ms)}, of it {duration(span.self_ms)} itself
      </p>
      <p class="quiet">
        {[span.model, span.tokens && `${plural(span.tokens.input ?? 0, "token")} in, ${plural(span.tokens.output ?? 0, "token")} out`, span.cost_usd === null ? null : money(span.cost_usd)].filter(Boolean).join(" · ")}
      </p>
      {span.role && (
        <p>
          <span class={`badge role-${span.role}`}>{span.role}</span> {span.reason}
        </p>
      )}
      {span.error ? <Failure error={span.error} /> : span.status === "ERROR" && <p class="failure">{span.status_message || "Failed."}</p>}
    </header>
  );
}

function Failure({ error }: { error: NonNullable<Span["error"]> }) {
  return (
    <div class="failure" role="group" aria-label="Error">
      <p>
        <b>{error.type ?? "Error"}</b>
        {error.message && `: ${error.message}`}
      </p>
      {error.stacktrace && (
        <details>
          <summary>Stack trace</summary>
          <pre class="stack" tabIndex={0}>
            {error.stacktrace}
          </pre>
        </details>
      )}
    </div>
  );
}

function Body({ trace, span, tab }: { trace: Trace; span: Span; tab: Tab }) {
  switch (tab) {
    case "conversation":
      return span.conversation && <Messages messages={span.conversation.messages} />;
    case "events":
      return <Events events={span.events} start={span.start_ms} />;
    case "links":
      return <Links links={span.links} />;
    case "resource":
      return <Table attributes={{ ...trace.resources[span.resource], ...(span.scope ? { "otel.scope.name": span.scope } : {}) }} />;
    case "raw":
      return (
        <pre class="raw" tabIndex={0}>
          {JSON.stringify(span, null, 2)}
        </pre>
      );
    default:
      return <AttributesTab trace={trace} span={span} />;
  }
}

function AttributesTab({ trace, span }: { trace: Trace; span: Span }) {
  return (
    <>
      {span.inputs != null && <Value title="Inputs" value={span.inputs} />}
      {span.outputs != null && <Value title="Outputs" value={span.outputs} />}
      <Table attributes={span.attributes ?? {}} linked />
      <p class="quiet started">
        Started {moment(trace.summary.start_ms + span.start_ms)}, {duration(span.start_ms)} after the trace. Span <span class="mono">{span.id}</span>
      </p>
    </>
  );
}

const Value = ({ title, value }: { title: string; value: unknown }) => (
  <section class="value-box">
    <h3>{title}</h3>
    <Json value={parsedOr(value)} />
  </section>
);

function Table({ attributes, linked = false }: { attributes: Attributes; linked?: boolean }) {
  const entries = Object.entries(attributes).sort(([a], [b]) => a.localeCompare(b));
  if (!entries.length) return <p class="quiet none">None.</p>;
  return (
    <dl class="attributes">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{linked && isPlain(value) ? <a title="Traces with the same value" href={href(["traces"], { q: word(`attr.${name}`, String(value)) })}>{name}</a> : name}</dt>
          <dd>{valueOf(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

const isPlain = (value: unknown): boolean => value !== null && (typeof value !== "object") && String(value).length <= 100;

function valueOf(value: unknown) {
  const parsed = parsedOr(value);
  return typeof parsed === "object" && parsed !== null ? <Json value={parsed} /> : <LongText text={String(parsed)} kind={typeof parsed} />;
}

function Events({ events, start }: { events: SpanEvent[]; start: number }) {
  if (!events.length) return <p class="quiet none">No events.</p>;
  return (
    <ol class="events">
      {events.map((event, index) => (
        <li key={index}>
          <p class={event.name === "exception" ? "error-text" : ""}>
            <b>{event.name}</b> <span class="quiet">after {duration(event.at_ms - start)}</span>
          </p>
          <Table attributes={event.attributes} />
        </li>
      ))}
    </ol>
  );
}

function Links({ links }: { links: Span["links"] }) {
  if (!links.length) return <p class="quiet none">No links.</p>;
  return (
    <ul class="events">
      {links.map((link, index) => (
        <li key={index}>
          <a class="mono" href={href(["trace", link.trace_id], { span: link.span_id })}>
            {link.trace_id}
          </a>
          <Table attributes={{ span_id: link.span_id, ...link.attributes }} />
        </li>
      ))}
    </ul>
  );
}
