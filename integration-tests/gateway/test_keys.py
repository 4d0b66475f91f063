"""Keys of callers and of the admin, in a gateway of several workers with an address for its control plane."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.processes import free_port
from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream

SHOP, ADMIN = "tk-shop-0123456789", "tk-admin-0123456789"


class Keyed(Gateway):
    """A gateway of two workers, with keys and a port for its admin."""

    def __init__(self, service: Upstream, folder: Path) -> None:
        self.admin_url = f"http://127.0.0.1:{(port := free_port())}"
        openai = {"openai_api_key": "sk-upstream", "openai_api_base": f"{service.url}/v1"}
        config = {
            "endpoints": [endpoint("a", "openai", "m", **openai)],
            "auth": {
                "admin_key": "$ADMIN",
                "keys": [{"name": "shop", "key": "$SHOP", "tags": {"team": "web"}}],
            },
            "server": {"admin": {"port": port}},
        }
        options = ["--workers", "2", "--access-log"]
        super().__init__(config, folder, options=options, SHOP=SHOP, ADMIN=ADMIN)

    def get(self, url: str, key: str | None = None) -> int:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.get(url, headers=headers, trust_env=False, timeout=20).status_code


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    service = Upstream(Exchange.answer)
    started = Keyed(service, tmp_path_factory.mktemp("gateway"))
    started.wait_until_ready()
    yield started
    started.close()
    service.close()


def test_the_control_plane_is_on_its_own_address(gateway: Keyed):
    """With the admin key; on the address of callers it is not, whatever the key."""
    for path in ("/metrics", "/docs", "/api/2.0/endpoints/"):
        assert [404, 404] == [gateway.get(f"{gateway.url}{path}", key) for key in (None, ADMIN)]
        keys = (None, SHOP, ADMIN)
        assert [401, 401, 200] == [gateway.get(f"{gateway.admin_url}{path}", key) for key in keys]
    assert 200 == gateway.get(f"{gateway.url}/v1/models", SHOP)
    assert [200, 200] == [gateway.get(f"{url}/ready") for url in (gateway.url, gateway.admin_url)]


def test_a_key_is_named_and_never_shown(gateway: Keyed):
    """Neither the caller's, nor the admin's, nor the upstream's: in output, traces and metrics."""
    answer = gateway.client.post(
        "/v1/chat/completions",
        json={"model": "a", "messages": [{"role": "user", "content": "?"}]},
        headers={"authorization": f"Bearer {SHOP}"},
    )
    assert 200 == answer.status_code
    denied = gateway.client.post(
        "/v1/chat/completions", json={}, headers={"x-api-key": "tk-wrong-0123456789"}
    )
    assert 401 == denied.status_code
    headers = {"authorization": f"Bearer {ADMIN}"}
    metrics = httpx.get(f"{gateway.admin_url}/metrics", headers=headers, trust_env=False).text
    assert re.search(r'gateway_key_requests_total\{.*key="shop".*\} 1\.0', metrics)
    gateway.trace(answer.headers["x-tollway-trace-id"])
    gateway.stop()
    lines = [json.loads(line) for line in gateway.process.output.splitlines() if line.startswith("{")]
    assert {"shop", None} == {line["key"] for line in lines if line["path"] == "/v1/chat/completions"}
    traces = "".join(path.read_text() for path in gateway.traces.rglob("*.json"))
    assert '"shop"' in traces
    for secret in (SHOP, ADMIN, "sk-upstream", "tk-wrong"):
        assert secret not in traces + metrics + gateway.process.output + denied.text
