"""What a start says: where it listens, a line to try, where the traces go."""

from __future__ import annotations

import os
import shlex
from importlib.metadata import version

import orjson

from tollway.gateway.apis import api_of
from tollway.gateway.config.values import EndpointConfig, GatewayConfig
from tollway.gateway.printable import printable, without_passwords


def greeting(config: GatewayConfig, url: str, command: str = "tollway", docs_url: str = "") -> str:
    """Return the lines of a start; `command` is how its reader calls `tollway`.

    `docs_url` is where its documentation is, if that is elsewhere.
    """
    width = max(len(endpoint.name) for endpoint in config.endpoints)
    lines = [f"Tollway {version('tollway-gateway')} listens on {url}", ""]
    lines += [f"  {_endpoint(endpoint, width)}" for endpoint in config.endpoints]
    lines += ["", "Try it:", "", *_curl(config, url), ""]
    lines += [f"Traces: {_traces(config, command)}", f"Docs:   {docs_url or url}/docs", "Stop:   Ctrl-C"]
    return "\n".join(lines)


def _endpoint(endpoint: EndpointConfig, width: int) -> str:
    model = endpoint.model
    return printable(f"{endpoint.name:{width}}  {endpoint.endpoint_type}  {model.provider}: {model.name}")


def _curl(config: GatewayConfig, url: str) -> list[str]:
    endpoint = config.endpoints[0]
    key = ['    -H "Authorization: Bearer $TOLLWAY_KEY" \\'] if config.auth.keys else []
    body = orjson.dumps(api_of(endpoint.endpoint_type).example).decode()
    return [
        f"  curl -X POST {url}/endpoints/{endpoint.name}/invocations \\",
        *key,
        f'    -H "Content-Type: application/json" -d {shlex.quote(body)}',
    ]


def _traces(config: GatewayConfig, command: str) -> str:
    tracing = config.tracing
    places = []
    if tracing.store is not None:
        store = tracing.store.path
        folder = os.path.join(store, "")
        option = "" if os.path.normpath(store) == "traces" else f" --store {printable(shlex.quote(store))}"
        places.append(
            f"{printable(folder)}<date>/<trace_id>.json; read them with: {command} traces list{option}"
        )
    places += [without_passwords(target.endpoint) for target in tracing.otlp_targets]
    return " and ".join(places) or "nowhere (tracing.store is null, and there is no tracing.otlp)"
