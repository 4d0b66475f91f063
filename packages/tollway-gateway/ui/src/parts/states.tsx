import type { ComponentChildren } from "preact";
import { type ApiError, setKey } from "../lib/api";

// What a page shows while there is nothing to show: every state says what is so, and what to do.

export function Skeleton({ rows = 12 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <div class="skeleton-row" key={index}>
          <i style={{ width: `${18 + ((index * 37) % 22)}%` }} />
          <i style={{ width: `${30 + ((index * 53) % 35)}%` }} />
        </div>
      ))}
    </div>
  );
}

export function Notice({ title, children, tone }: { title: string; children?: ComponentChildren; tone?: "error" }) {
  return (
    <section class={`notice ${tone ?? ""}`} role={tone === "error" ? "alert" : undefined}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

export function Problem({ error, retry }: { error: ApiError; retry?: () => void }) {
  if (error.status === 401) return <AskKey message={error.hint ?? error.message} />;
  return (
    <Notice title={error.message} tone="error">
      {error.hint && <p>{error.hint}</p>}
      {retry && (
        <p>
          <button type="button" onClick={retry}>
            Try again
          </button>
        </p>
      )}
    </Notice>
  );
}

function AskKey({ message }: { message: string }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("key");
    if (field instanceof HTMLInputElement && field.value) {
      setKey(field.value);
      location.reload();
    }
  };
  return (
    <Notice title="These pages need the admin key">
      <p>{message}</p>
      <form class="ask-key" onSubmit={submit}>
        <label>
          Admin key <input name="key" type="password" autocomplete="current-password" required />
        </label>
        <button type="submit">Open</button>
      </form>
      <p class="quiet">It is the value of auth.admin_key, and stays in this tab.</p>
    </Notice>
  );
}

export function Empty({ filtered, store }: { filtered: boolean; store: boolean }) {
  if (filtered)
    return (
      <Notice title="No trace matches the filter">
        <p>
          <a href="#/traces">Show all traces</a>
        </p>
      </Notice>
    );
  return (
    <Notice title="No traces yet">
      {store ? <p>Send the first one from any OpenTelemetry service:</p> : <p>The first request through the gateway is the first trace:</p>}
      <pre>{store ? storeLines() : gatewayLines()}</pre>
      <p class="quiet">It appears here by itself.</p>
    </Notice>
  );
}

const storeLines = () =>
  `export OTEL_EXPORTER_OTLP_ENDPOINT=${location.protocol}//${location.hostname}:4318\npython my_service.py`;

const gatewayLines = () =>
  `curl ${location.origin}/v1/chat/completions -H 'content-type: application/json' \\\n` +
  `  -d '{"model": "ENDPOINT", "messages": [{"role": "user", "content": "Hello?"}]}'`;
