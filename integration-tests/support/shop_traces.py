"""Traces of a shop with an assistant, as OTLP: the pages are tested and photographed with them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

MS = 1_000_000
STACK = """Traceback (most recent call last):
  File "payments/charge.py", line 88, in charge
    reply = await self.bank.authorize(card, amount)
  File "payments/bank.py", line 41, in authorize
    raise BankTimeoutError(f"no answer from {self.host} in {self.timeout_s} s")
payments.bank.BankTimeoutError: no answer from bank-eu-2 in 2.0 s
"""


@dataclass
class Made:
    """A span under construction; children by `child`; times count from the trace's start."""

    name: str
    service: str
    start_ms: float
    end_ms: float
    kind: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, float, dict[str, Any]]] = field(default_factory=list)
    error: str | None = None
    children: list[Made] = field(default_factory=list)

    def child(
        self, name: str, start_ms: float, end_ms: float, service: str | None = None, **more: Any
    ) -> Made:
        """Add a span below this one."""
        made = Made(name, service or self.service, start_ms, end_ms, **more)
        self.children.append(made)
        return made


class Traces:
    """A source of made-up traces: the same seed makes the same."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)

    def otlp(self, root: Made, start_ns: int, kept: str | None = None) -> dict[str, Any]:
        """Return a trace as OTLP, as exporters send it: what ended first comes first, the root last."""
        trace_id = f"{self.random.getrandbits(128):032x}"
        spans: dict[str, list[dict[str, Any]]] = {}
        self._add(root, None, trace_id, start_ns, spans, kept)
        return {
            "resourceSpans": [
                {
                    "resource": {
                        "attributes": attributes({"service.name": service, "service.version": "1.4.2"})
                    },
                    "scopeSpans": [{"scope": {"name": f"{service}.telemetry", "version": "1"}, "spans": own}],
                }
                for service, own in sorted(spans.items(), key=lambda item: item[0] == root.service)
            ]
        }

    def _add(
        self,
        made: Made,
        parent: str | None,
        trace_id: str,
        start_ns: int,
        spans: dict[str, list[dict[str, Any]]],
        kept: str | None,
    ) -> None:
        span_id = f"{self.random.getrandbits(64) or 1:016x}"
        for child in made.children:
            self._add(child, span_id, trace_id, start_ns, spans, kept)
        more = {"tollway.kept_because": kept} if kept and parent is None else {}
        spans.setdefault(made.service, []).append(
            {
                "traceId": trace_id,
                "spanId": span_id,
                **({} if parent is None else {"parentSpanId": parent}),
                "name": made.name,
                "kind": made.kind,
                "startTimeUnixNano": str(start_ns + round(made.start_ms * MS)),
                "endTimeUnixNano": str(start_ns + round(made.end_ms * MS)),
                "attributes": attributes({**made.attributes, **more}),
                "events": [
                    {
                        "name": name,
                        "timeUnixNano": str(start_ns + round(at * MS)),
                        "attributes": attributes(said),
                    }
                    for name, at, said in made.events
                ],
                "status": {"code": 2, "message": made.error} if made.error else {},
            }
        )

    # What the shop does: each returns the root of one trace.

    def checkout(self, *, slow: bool = False, failing: bool = False) -> Made:
        """Return an order: stock, payment, mail; the bank is what is slow, or fails."""
        rnd = self.random
        bank = rnd.uniform(1400, 2600) if slow else 2000 if failing else rnd.lognormvariate(4.6, 0.5)
        at = 4 + rnd.uniform(1, 4)
        root = Made(
            "POST /checkout",
            "web",
            0,
            0,
            kind=2,
            attributes={
                "http.request.method": "POST",
                "http.route": "/checkout",
                "url.path": "/checkout",
                "user.id": f"user-{rnd.randrange(40)}",
                "session.id": f"basket-{rnd.randrange(1000, 9999)}",
            },
        )
        root.child("verify session", 0.6, at, attributes={"cache.hit": True})
        stock_end = at + rnd.lognormvariate(3, 0.4)
        stock = root.child("reserve stock", at, stock_end, "inventory", kind=2)
        for item in range(rnd.randrange(2, 5)):
            begin = at + 1 + item * (stock_end - at - 2) / 5
            stock.child(
                "SELECT items",
                begin,
                begin + (stock_end - at) / 6,
                kind=3,
                attributes={
                    "db.system.name": "postgresql",
                    "db.query.text": "SELECT * FROM items WHERE id = $1",
                    "db.operation.name": "SELECT",
                },
            )
        pay_end = stock_end + bank + 6
        pay = root.child(
            "charge card",
            stock_end,
            pay_end,
            "payments",
            kind=2,
            attributes={"payment.currency": "EUR", "payment.amount": round(rnd.uniform(10, 400), 2)},
        )
        call = pay.child(
            "POST bank/authorize",
            stock_end + 3,
            stock_end + 3 + bank,
            kind=3,
            attributes={"server.address": "bank-eu-2", "http.request.method": "POST"},
        )
        if failing:
            call.error = pay.error = root.error = "no answer from bank-eu-2 in 2.0 s"
            call.events.append(
                (
                    "exception",
                    call.end_ms - 0.5,
                    {
                        "exception.type": "payments.bank.BankTimeoutError",
                        "exception.message": "no answer from bank-eu-2 in 2.0 s",
                        "exception.stacktrace": STACK,
                    },
                )
            )
            root.end_ms = pay_end + 2
            return root
        call.events.append(("challenge answered", stock_end + 3 + bank * 0.6, {"challenge": "3ds"}))
        mail = root.child("enqueue mail", pay_end, pay_end + 9, "mailer", kind=4)
        mail.child("LPUSH mails", pay_end + 2, pay_end + 6, kind=3, attributes={"db.system.name": "redis"})
        root.end_ms = pay_end + 12
        return root

    def browse(self) -> Made:
        """Return a page of the catalog."""
        rnd = self.random
        item = rnd.choice(["tent-2p", "stove", "lamp", "rope-60m"])
        end = rnd.lognormvariate(2.6, 0.6) + 3
        root = Made(
            "GET /items/{id}",
            "web",
            0,
            end,
            kind=2,
            attributes={
                "http.request.method": "GET",
                "http.route": "/items/{id}",
                "url.path": f"/items/{item}",
            },
        )
        root.child("render", end * 0.7, end * 0.95)
        catalog = root.child("look up", 1, end * 0.65, "catalog", kind=2)
        catalog.child("SELECT items", 1.4, end * 0.5, kind=3, attributes={"db.system.name": "postgresql"})
        return root

    def chat(self, question: str, answer: str, session: str, way: str = "plain") -> Made:
        """Return a chat through the gateway: at once, after a retry, by a fallback or a hedge, or in vain."""
        rnd = self.random
        first = rnd.lognormvariate(6.1, 0.4)
        root = Made(
            "POST /v1/chat/completions",
            "gateway",
            0,
            0,
            kind=2,
            attributes={
                "http.request.method": "POST",
                "http.route": "/v1/chat/completions",
                "tollway.endpoint": "assistant",
                "session.id": session,
                "user.id": f"user-{rnd.randrange(40)}",
            },
        )
        root.child("admit", 0.1, 0.3)
        root.end_ms = _attempts(rnd, root, question, answer, first, way) + 0.8
        return root

    def agent(self, question: str, answer: str, session: str) -> Made:
        """Return what an assistant does with a question: it thinks, uses tools, and answers."""
        rnd = self.random
        root = Made(
            "GET /ask",
            "concierge",
            0,
            0,
            kind=2,
            attributes={"http.route": "/ask", "session.id": session, "user.id": "user-7"},
        )
        agent = root.child(
            "invoke_agent concierge",
            2,
            0,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "concierge",
                "session.id": session,
            },
        )
        at = 4.0
        messages = [
            message("system", "You answer customers of an outdoor shop. Be short."),
            message("user", question),
        ]
        for name, arguments, result in TOOL_CALLS[: rnd.randrange(2, 4)]:
            at = self._model_turn(agent, at, messages, call(name, arguments))
            end = at + rnd.lognormvariate(4, 0.6)
            tool = agent.child(
                f"execute_tool {name}",
                at,
                end,
                attributes={
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": name,
                    "tollway.kind": "tool",
                    "tollway.inputs": json.dumps(arguments),
                    "tollway.outputs": json.dumps(result),
                },
            )
            tool.child("GET /items/{id}", at + 1, end - 1, "catalog", kind=2).child(
                "SELECT items", at + 2, end - 2, kind=3
            )
            messages += [
                {"role": "assistant", "parts": [call(name, arguments)]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": name, "response": result}]},
            ]
            at = end + 1
        at = self._model_turn(agent, at, messages, {"type": "text", "content": answer})
        agent.end_ms, root.end_ms = at + 1, at + 3
        return root

    def _model_turn(
        self, agent: Made, at: float, messages: list[dict[str, Any]], said: dict[str, Any]
    ) -> float:
        end = at + self.random.lognormvariate(5.9, 0.3)
        asked = agent.child(
            "POST /v1/chat/completions",
            at,
            end,
            "gateway",
            kind=2,
            attributes={"http.route": "/v1/chat/completions", "tollway.endpoint": "assistant"},
        )
        thought = (
            [
                {
                    "type": "reasoning",
                    "content": "The customer wants facts about stock, so the catalog should say.",
                }
            ]
            if said["type"] != "text"
            else []
        )
        asked.children.append(
            model_call(self.random, at + 0.7, end - 0.6, "gpt-4.1-mini", messages, [*thought, said])
        )
        return end + 1.5

    def large(self, spans: int) -> Made:
        """Return a batch job of that many spans, in a tree that is wide and in places deep."""
        rnd = self.random
        total = 9_000.0
        root = Made("nightly import", "importer", 0, total, attributes={"job": "nightly"})
        made, parents = 1, [root]
        while made < spans:
            parent = parents[rnd.randrange(max(0, len(parents) - 200), len(parents))]
            room = parent.end_ms - parent.start_ms
            begin = parent.start_ms + rnd.random() * room * 0.7
            child = parent.child(
                rnd.choice(["parse row", "validate", "write batch", "SELECT prices", "resize image"]),
                begin,
                begin + max(0.02, rnd.random() * room * 0.3),
                rnd.choice(["importer", "importer", "catalog", "images"]),
            )
            if rnd.random() < 0.002:
                child.error = "row rejected: the price is negative"
            if len(parents) < 4000 and child.end_ms - child.start_ms > 0.4:
                parents.append(child)
            made += 1
        return root


TOOL_CALLS = (
    (
        "search_catalog",
        {"query": "tent for two"},
        {"items": [{"id": "tent-2p", "name": "Kestrel 2", "in_stock": 14, "price": 249.0}]},
    ),
    ("check_delivery", {"item": "tent-2p", "country": "AT"}, {"days": 2, "carrier": "post"}),
    ("price_history", {"item": "tent-2p"}, {"lowest": 229.0, "now": 249.0}),
)


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's call as a part of a message."""
    return {"type": "tool_call", "id": name, "name": name, "arguments": arguments}


def message(role: str, text: str) -> dict[str, Any]:
    """Return a message of the GenAI conventions."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def model_call(
    rnd: random.Random,
    start_ms: float,
    end_ms: float,
    model: str,
    asked: list[dict[str, Any]],
    said: list[dict[str, Any]],
    **more: Any,
) -> Made:
    """Return the CLIENT span of a call to a model."""
    tokens = 40 + len(json.dumps(asked)) // 4, 20 + len(json.dumps(said)) // 4
    price = {"gpt-4.1": (2.0, 8.0), "claude-sonnet-4-5": (3.0, 15.0)}.get(model, (0.4, 1.6))
    return Made(
        f"chat {model}",
        "gateway",
        start_ms,
        end_ms,
        kind=3,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic" if "claude" in model else "openai",
            "gen_ai.request.model": model,
            "gen_ai.response.model": model,
            "gen_ai.usage.input_tokens": tokens[0],
            "gen_ai.usage.output_tokens": tokens[1],
            "gen_ai.usage.cost": round((tokens[0] * price[0] + tokens[1] * price[1]) / 1e6, 8),
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.input.messages": json.dumps(asked),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": said, "finish_reason": "stop"}]
            ),
            "tollway.endpoint": "assistant",
            **more.pop("attributes", {}),
        },
        events=[("gen_ai.first_token", start_ms + (end_ms - start_ms) * rnd.uniform(0.1, 0.3), {})],
        **more,
    )


def _attempts(rnd: random.Random, root: Made, question: str, answer: str, takes_ms: float, way: str) -> float:
    """Add the calls to models of one request, and return when the last of them ended."""
    asked, said = [message("user", question)], [{"type": "text", "content": answer}]
    if way == "plain":
        root.children.append(model_call(rnd, 0.5, takes_ms, "gpt-4.1", asked, said))
        return takes_ms
    if way == "hedge":
        late = takes_ms * 0.6
        root.events.append(("hedge", late, {"from": "assistant", "to": "assistant-eu"}))
        slow = model_call(rnd, 0.5, late + 260, "gpt-4.1", asked, [])
        fast = model_call(
            rnd,
            late,
            late + 255,
            "gpt-4.1",
            asked,
            said,
            attributes={"tollway.attempt.reason": "hedge", "tollway.endpoint": "assistant-eu"},
        )
        root.children += [slow, fast]
        return late + 260
    failed = model_call(
        rnd,
        0.5,
        140,
        "gpt-4.1",
        asked,
        [],
        attributes={"error.type": "503", "http.response.status_code": 503},
        error="the provider answered 503",
    )
    root.children.append(failed)
    root.events.append(("retry", 190, {"error.type": "503", "from": "assistant"}))
    again = model_call(
        rnd,
        190,
        330,
        "gpt-4.1",
        asked,
        [] if way != "retry" else said,
        attributes={"tollway.attempt.reason": "retry"},
    )
    root.children.append(again)
    if way == "retry":
        again.end_ms = 190 + takes_ms
        return again.end_ms
    again.error, again.attributes["error.type"] = "the provider answered 503", "503"
    if way == "failing":
        root.error, root.attributes["error.type"] = "no provider answered", "503"
        return again.end_ms
    root.events.append(("fallback", 332, {"error.type": "503", "from": "assistant", "to": "backup"}))
    root.children.append(
        model_call(
            rnd,
            333,
            333 + takes_ms,
            "claude-sonnet-4-5",
            asked,
            said,
            attributes={"tollway.attempt.reason": "fallback", "tollway.endpoint": "backup"},
        )
    )
    return 333 + takes_ms


TALKS = (
    (
        "Do you have a tent for two?",
        "Yes: the **Kestrel 2** is in stock (14 left).\n\n"
        "- weighs 2.1 kg\n- packs to 46 cm\n\nIt ships in *two days*.",
    ),
    (
        "Can it stand wind?",
        "It is tested to 90 km/h. Pitch it with the low end to the wind:\n\n"
        "```\npegs: 8 x 18 cm\nguy lines: 6\n```",
    ),
    (
        "And how do I return it?",
        "Within 30 days, unused, for the full price. The refund takes about three days.",
    ),
    ("Is there a lighter one?", "The *Kestrel 2 UL* weighs 1.4 kg, at 389 €."),
)


def day(traces: Traces, now_ns: int, count: int = 900) -> Iterator[tuple[Made, int, str]]:
    """Give the traces of the last hours, with why each was kept, the oldest first."""
    rnd = traces.random
    for index in range(count):
        back_ms = (1 - index / count) ** 1.3 * 6 * 3600 * 1000 + rnd.random() * 20_000
        made, kept = _one(traces, rnd)
        if kept == "ratio" and made.end_ms > 1000:
            kept = "slow"
        yield made, now_ns - round((back_ms + made.end_ms) * MS), kept


def _one(traces: Traces, rnd: random.Random) -> tuple[Made, str]:
    dice = rnd.random()
    question, answer = rnd.choice(TALKS)
    session = f"chat-{rnd.randrange(100, 130)}"
    if dice < 0.34:
        return traces.browse(), "ratio"
    if dice < 0.56:
        return traces.checkout(), "ratio"
    if dice < 0.60:
        return traces.checkout(slow=True), "slow"
    if dice < 0.635:
        return traces.checkout(failing=True), "error"
    if dice < 0.72:
        return traces.agent(question, answer, session), "slow"
    way = rnd.choices(["plain", "retry", "fallback", "hedge", "failing"], [80, 6, 5, 5, 3])[0]
    return traces.chat(question, answer, session, way), "error" if way in (
        "failing",
        "fallback",
        "retry",
    ) else "ratio"


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP has them in JSON."""
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(one) for one in value]}}
        case _:
            return {"stringValue": str(value)}


def send(url: str, exports: list[dict[str, Any]]) -> list[str]:
    """Send traces to an OTLP receiver in requests of a few hundred spans, and return their ids."""
    ids = [_trace_id(one) for one in exports]
    with httpx.Client(timeout=60, trust_env=False) as client:
        for begin in range(0, len(exports), 100):
            body = {
                "resourceSpans": [
                    item for one in exports[begin : begin + 100] for item in one["resourceSpans"]
                ]
            }
            client.post(f"{url}/v1/traces", json=body).raise_for_status()
    return ids


def _trace_id(export: dict[str, Any]) -> str:
    return str(export["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"])
