"""Models behind LiteLLM's proxy: https://docs.litellm.ai/docs/simple_proxy.

MLflow's gateway runs LiteLLM as a library, in its own process. Here the proxy is asked, and the keys of
MLflow's configs are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tollway.provider import Setting, SettingProblem, Target, Task

from ._services import LITELLM
from .compatible import CompatibleProvider, provider_of

_PROVIDER, _AUTH = "litellm_provider", "litellm_auth_config"
_AUTH_KEYS = ("api_key", "api_base")


class _LiteLLM(CompatibleProvider):
    """With `litellm_provider`, the model is `provider/name`, as LiteLLM calls it."""

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Check the keys of `litellm_auth_config` as those of the config."""
        auth = config.get(_AUTH)
        yield from super().check(_with_auth(config), task)
        for key in auth if isinstance(auth, dict) else ():
            if key not in _AUTH_KEYS:
                hint = "set it in the proxy's own configuration"
                yield SettingProblem(_AUTH, f"{key} in {_AUTH} is LiteLLM's business", hint)

    def __init__(self, target: Target) -> None:
        config = _with_auth(target.config)
        provider = config.get(_PROVIDER)
        model = f"{provider}/{target.model}" if provider else target.model
        super().__init__(Target(target.endpoint, target.task, model, config))


def _with_auth(config: Mapping[str, Any]) -> dict[str, Any]:
    auth = config.get(_AUTH)
    given = {key: auth[key] for key in _AUTH_KEYS if auth.get(key)} if isinstance(auth, dict) else {}
    return {**given, **config}


LiteLLMProvider = provider_of(LITELLM, _LiteLLM)
LiteLLMProvider.settings = (
    *(LiteLLMProvider.settings or ()),
    Setting(_PROVIDER, "put before the model's name, as LiteLLM has it, such as anthropic"),
    Setting(_AUTH, "api_key and api_base of the proxy, as in MLflow", type=dict, secret=True),
)
