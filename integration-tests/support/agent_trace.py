"""A program that traces an agent with a tool and a model, and prints the id of the trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tollway import tracing


def main(otlp: str) -> None:
    """Trace one answer, and send it to the targets that JSON names."""
    tracing.configure(service_name="shop", otlp=json.loads(otlp), store=False)
    with tracing.start_span("answer", kind="agent") as agent:
        agent.set_attributes({"session.id": "session-7", "user.id": "user-9"})
        agent.set_inputs({"question": "why?"})
        with tracing.start_span("search", kind="tool") as tool:
            tool.set_inputs({"query": "why"})
            tool.set_outputs(["because"])
        with tracing.start_span("ask", kind="chat") as chat:
            chat.set_attributes(
                {
                    "gen_ai.request.model": "gpt-4o",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.usage.input_tokens": 11,
                    "gen_ai.usage.output_tokens": 5,
                }
            )
            chat.set_inputs([{"role": "user", "content": "why?"}])
            chat.set_outputs("because")
        agent.set_outputs("because")
    tracing.shutdown(30)
    assert tracing.stats().exported_spans == 3
    print(f"{agent.get_span_context().trace_id:032x}")


def sent_to(target: Mapping[str, Any]) -> str:
    """Run the program in a process of its own, and return the id of the trace that it sent."""
    done = subprocess.run(
        [sys.executable, __file__, json.dumps([target])],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        env={**os.environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"},
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1])
