"""The services that speak OpenAI's dialect: a row of data for each, nothing else.

A row says what differs from OpenAI. The class of a row is made by `compatible` when a config names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollway.provider import Task

_CHAT, _COMPLETIONS, _EMBEDDINGS = Task.CHAT, Task.COMPLETIONS, Task.EMBEDDINGS
_MAX_TOKENS = {"max_completion_tokens": "max_tokens"}
_ALL = (_CHAT, _COMPLETIONS, _EMBEDDINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: what it is called, where it is, what it serves and how its requests differ.

    `docs` is the page that the row was written from. `base_url` is where the service is, and an example
    where `needs_base` says that the config has to tell; `needs_key` is whether it refuses requests without
    one. `telemetry_name` is the well-known value of `gen_ai.provider.name`, where the GenAI conventions have
    one. `key_header` carries the key as it is; by default it goes as a bearer token. `key_settings` and
    `base_settings` are further names of these two settings, `header_settings` are settings that become
    headers. `paths` are those that are not OpenAI's. A service whose `tasks` are without completions answers
    them as chats.

    Of a request, fields `renamed` go by another name, those `dropped` only steer and are left out, and those
    `refused` are a 400: the service would answer as if they were not there.
    """

    name: str
    title: str
    docs: str
    base_url: str = ""
    aliases: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = _ALL
    needs_key: bool = True
    telemetry_name: str = ""
    key_header: str = ""
    needs_base: bool = False
    key_settings: tuple[str, ...] = ()
    base_settings: tuple[str, ...] = ()
    header_settings: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[Task, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


SERVICES: tuple[Service, ...] = (
    Service(
        name="ai21labs",
        title="AI21 Labs",
        docs="https://docs.ai21.com/reference/jamba-1-6-api-ref",
        base_url="https://api.ai21.com/studio/v1",
        aliases=("ai21",),
        tasks=(_CHAT,),
        renamed=_MAX_TOKENS,
        dropped=("stream_options",),
    ),
    Service(
        name="cerebras",
        title="Cerebras",
        docs="https://inference-docs.cerebras.ai/resources/openai",
        base_url="https://api.cerebras.ai/v1",
        tasks=(_CHAT, _COMPLETIONS),
    ),
    Service(
        name="deepseek",
        title="DeepSeek",
        docs="https://api-docs.deepseek.com",
        base_url="https://api.deepseek.com",
        tasks=(_CHAT, _COMPLETIONS),
        telemetry_name="deepseek",
        paths={_COMPLETIONS: "/beta/completions"},
        renamed=_MAX_TOKENS,
        refused=("n",),
    ),
    Service(
        name="fireworks",
        title="Fireworks AI",
        docs="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
        base_url="https://api.fireworks.ai/inference/v1",
        aliases=("fireworks-ai",),
    ),
    Service(
        name="groq",
        title="Groq",
        docs="https://console.groq.com/docs/openai",
        base_url="https://api.groq.com/openai/v1",
        tasks=(_CHAT,),
        telemetry_name="groq",
    ),
    Service(
        name="huggingface-text-generation-inference",
        title="Hugging Face Text Generation Inference",
        docs="https://huggingface.co/docs/text-generation-inference/messages_api",
        base_url="http://localhost:8080/v1",
        needs_base=True,
        aliases=("tgi",),
        base_settings=("hf_server_url",),
        tasks=(_CHAT, _COMPLETIONS),
        needs_key=False,
    ),
    Service(
        name="llama.cpp",
        title="llama.cpp server",
        docs="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        base_url="http://localhost:8080/v1",
        aliases=("llama-cpp",),
        needs_key=False,
    ),
    Service(
        name="lm-studio",
        title="LM Studio",
        docs="https://lmstudio.ai/docs/developer/openai-compat",
        base_url="http://localhost:1234/v1",
        aliases=("lmstudio",),
        needs_key=False,
    ),
    Service(
        name="moonshot",
        title="Moonshot AI (Kimi)",
        docs="https://platform.moonshot.ai/docs/api/chat",
        base_url="https://api.moonshot.ai/v1",
        tasks=(_CHAT,),
        telemetry_name="moonshot_ai",
    ),
    Service(
        name="nvidia",
        title="NVIDIA NIM",
        docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
        base_url="https://integrate.api.nvidia.com/v1",
        aliases=("nvidia-nim",),
    ),
    Service(
        name="ollama",
        title="Ollama",
        docs="https://docs.ollama.com/api/openai-compatibility",
        base_url="http://localhost:11434/v1",
        needs_key=False,
    ),
    Service(
        name="openrouter",
        title="OpenRouter",
        docs="https://openrouter.ai/docs/api-reference/overview",
        base_url="https://openrouter.ai/api/v1",
        header_settings={"site_url": "http-referer", "site_name": "x-title"},
    ),
    Service(
        name="perplexity",
        title="Perplexity",
        docs="https://docs.perplexity.ai/api-reference/chat-completions-post",
        base_url="https://api.perplexity.ai",
        tasks=(_CHAT,),
        telemetry_name="perplexity",
        renamed=_MAX_TOKENS,
    ),
    Service(
        name="portkey",
        title="Portkey",
        docs="https://portkey.ai/docs/api-reference/inference-api/headers",
        base_url="https://api.portkey.ai/v1",
        key_header="x-portkey-api-key",
        header_settings={
            "portkey_provider": "x-portkey-provider",
            "portkey_config": "x-portkey-config",
            "portkey_virtual_key": "x-portkey-virtual-key",
        },
    ),
    Service(
        name="qwen",
        title="Qwen (Alibaba Cloud Model Studio)",
        docs="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        aliases=("dashscope",),
        key_settings=("dashscope_api_key",),
    ),
    Service(
        name="sambanova",
        title="SambaNova",
        docs="https://docs.sambanova.ai/cloud/docs/capabilities/openai-compatibility",
        base_url="https://api.sambanova.ai/v1",
    ),
    Service(
        name="siliconflow",
        title="SiliconFlow",
        docs="https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions",
        base_url="https://api.siliconflow.com/v1",
        renamed=_MAX_TOKENS,
    ),
    Service(
        name="togetherai",
        title="Together AI",
        docs="https://docs.together.ai/docs/openai-api-compatibility",
        base_url="https://api.together.xyz/v1",
        aliases=("together-ai",),
    ),
    Service(
        name="vllm",
        title="vLLM",
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        base_url="http://localhost:8000/v1",
        needs_key=False,
    ),
    Service(
        name="xai",
        title="xAI",
        docs="https://docs.x.ai/docs/api-reference",
        base_url="https://api.x.ai/v1",
        telemetry_name="x_ai",
    ),
    Service(
        name="zhipu",
        title="Zhipu AI (Z.ai)",
        docs="https://docs.z.ai/api-reference/llm/chat-completion",
        base_url="https://api.z.ai/api/paas/v4",
        aliases=("zai",),
        tasks=(_CHAT, _EMBEDDINGS),
        renamed=_MAX_TOKENS,
        refused=("n",),
    ),
)
"""Every row, by name."""

LITELLM = Service(
    name="litellm",
    title="LiteLLM Proxy",
    docs="https://docs.litellm.ai/docs/simple_proxy",
    base_url="http://localhost:4000/v1",
    needs_key=False,
)
"""Its models have the provider in their names: see `litellm`."""

MISTRAL = Service(
    name="mistral",
    title="Mistral AI",
    docs="https://docs.mistral.ai/api/endpoint/chat",
    base_url="https://api.mistral.ai/v1",
    tasks=(_CHAT, _EMBEDDINGS),
    telemetry_name="mistral_ai",
    renamed={**_MAX_TOKENS, "seed": "random_seed"},
    dropped=("stream_options", "user", "safety_identifier", "logit_bias", "store", "service_tier"),
    refused=("logprobs", "top_logprobs"),
)
"""Its dialect differs further: see `mistral`."""
