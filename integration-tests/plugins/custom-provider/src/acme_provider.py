"""A model of our own behind the gateway."""

from typing import Any

from tollway.provider import BaseProvider


def internal_model_api(payload: dict[str, Any]) -> str:
    return f"acme heard: {payload['messages'][-1]['content']}"


class CustomProvider(BaseProvider):
    def predict(self, payload):
        return internal_model_api(payload)
