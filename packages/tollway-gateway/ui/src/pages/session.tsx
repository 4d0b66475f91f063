import { duration, money, plural, short } from "../lib/format";
import { useLoad } from "../lib/load";
import { href } from "../lib/route";
import type { Session, SessionRow } from "../lib/types";
import { Kept, When } from "../parts/bits";
import { Messages } from "../parts/conversation";
import { Notice, Problem, Skeleton } from "../parts/states";

/** The traces of one conversation as one thread. */
export function SessionPage({ id }: { id: string }) {
  const { data, error, reload } = useLoad<Session>(`sessions/${encodeURIComponent(id)}`);
  if (error) return <Problem error={error} retry={reload} />;
  if (!data) return <Skeleton />;
  const sum = (of: (row: Session["traces"][number]) => number | null) => data.traces.reduce((total, row) => total + (of(row) ?? 0), 0);
  const failed = data.traces.filter((row) => row.status === "ERROR").length;
  return (
    <main class="scrolls" aria-label="Session">
      <div class="column thread">
        <header>
          <h1>Session {data.session}</h1>
          <p class="quiet trace-facts">
            <span>{plural(data.traces.length, "trace")}</span>
            <span>{duration(sum((row) => row.duration_ms))} in all</span>
            <span>{short(sum((row) => row.input_tokens) + sum((row) => row.output_tokens))} tokens</span>
            <span>{money(sum((row) => row.cost_usd))}</span>
            {failed > 0 && <span class="error-text">{plural(failed, "failure")}</span>}
          </p>
        </header>
        <ol>{data.traces.map((row) => <Turn key={row.trace_id} row={row} />)}</ol>
      </div>
    </main>
  );
}

function Turn({ row }: { row: Session["traces"][number] }) {
  return (
    <li class="turn">
      <aside>
        <a href={href(["trace", row.trace_id])}>{row.root ?? row.trace_id.slice(0, 8)}</a>
        <When ms={row.start_ms} />
        <b>{duration(row.duration_ms)}</b>
        <span class="quiet">
          {short((row.input_tokens ?? 0) + (row.output_tokens ?? 0))} tokens · {money(row.cost_usd)}
        </span>
        {row.status === "ERROR" ? <span class="error-text">failed</span> : <Kept why={row.kept_because} />}
      </aside>
      <div>{row.messages?.length ? <Messages messages={row.messages} /> : <p class="quiet">No content was captured (tracing.capture_content).</p>}</div>
    </li>
  );
}

/** All sessions, the newest first. */
export function SessionsPage() {
  const { data, error, reload } = useLoad<{ sessions: SessionRow[] }>("sessions");
  if (error) return <Problem error={error} retry={reload} />;
  if (!data) return <Skeleton />;
  if (!data.sessions.length)
    return (
      <Notice title="No sessions yet">
        <p>Traces with the same session.id or gen_ai.conversation.id are one session.</p>
      </Notice>
    );
  return (
    <main class="scrolls" aria-label="Sessions">
      <div class="column">
        <h1>Sessions</h1>
        <div class="table-box" tabIndex={0} role="region" aria-label="Sessions">
          <table class="plain">
            <thead>
              <tr>
                <th>Session</th>
                <th class="number">Traces</th>
                <th class="number">Time</th>
                <th class="number">Tokens</th>
                <th class="number">Cost</th>
                <th class="number">Errors</th>
                <th class="number">Last</th>
              </tr>
            </thead>
            <tbody>{data.sessions.map((row) => <SessionLine key={row.session} row={row} />)}</tbody>
          </table>
        </div>
      </div>
    </main>
  );
}

const SessionLine = ({ row }: { row: SessionRow }) => (
  <tr>
    <td>
      <a href={href(["session", row.session])}>{row.session}</a>
    </td>
    <td class="number">{row.traces}</td>
    <td class="number">{duration(row.duration_ms)}</td>
    <td class="number">{row.input_tokens === null && row.output_tokens === null ? "–" : short((row.input_tokens ?? 0) + (row.output_tokens ?? 0))}</td>
    <td class="number">{money(row.cost_usd)}</td>
    <td class={row.errors ? "number error-text" : "number"}>{row.errors}</td>
    <td class="number">
      <When ms={row.last_ms} />
    </td>
  </tr>
);
