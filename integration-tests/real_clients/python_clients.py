"""Real clients, each used as its own documentation shows; runs in their environment, not in ours.

`python python_clients.py CLIENT URL` prints what the client got as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ.update(
    OPENAI_API_KEY="none",
    ANTHROPIC_API_KEY="none",
    OPENAI_AGENTS_DISABLE_TRACING="1",
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    LANGSMITH_TRACING="false",
)

from pydantic import BaseModel

ASK = "What is a toll road?"


class City(BaseModel):
    """A city."""

    name: str


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Rain in {city}."


def langchain(model: Any) -> dict[str, Any]:
    bound = model.bind_tools([weather])
    called = bound.invoke(ASK)
    call = called.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call["id"], "content": weather(**call["args"])}
    return {
        "chat": model.invoke(ASK).text,
        "stream": "".join(part.text for part in model.stream(ASK)),
        "call": [call["name"], call["args"]],
        "answer": bound.invoke([{"role": "user", "content": ASK}, called, result]).text,
        "structured": model.with_structured_output(City, method="json_schema").invoke(ASK).name,
    }


def langchain_openai(url: str) -> dict[str, Any]:
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    vectors = OpenAIEmbeddings(model="vec", base_url=f"{url}/v1", check_embedding_ctx_length=False)
    responses = ChatOpenAI(model="claude", base_url=f"{url}/v1", max_retries=0, use_responses_api=True)
    return {
        "gpt": langchain(ChatOpenAI(model="gpt", base_url=f"{url}/v1", max_retries=0)),
        "claude": langchain(ChatOpenAI(model="claude", base_url=f"{url}/v1", max_retries=0)),
        "responses": langchain(responses),
        "vectors": vectors.embed_documents(["a", "b"]),
    }


def langchain_anthropic(url: str) -> dict[str, Any]:
    from langchain_anthropic import ChatAnthropic

    return {
        name: langchain(ChatAnthropic(model=name, base_url=url, max_retries=0, max_tokens=64))
        for name in ("claude", "gpt")
    }


def litellm(url: str) -> dict[str, Any]:
    from litellm import completion

    def ask(model: str, base: str) -> dict[str, Any]:
        def complete(messages: list[Any], **more: Any) -> Any:
            return completion(model=model, api_base=base, messages=messages, max_tokens=64, **more)

        user = {"role": "user", "content": ASK}
        properties = {"city": {"type": "string"}}
        function = {"name": "weather", "parameters": {"type": "object", "properties": properties}}
        tools = [{"type": "function", "function": function}]
        called = complete([user], tools=tools).choices[0].message
        call = called.tool_calls[0]
        arguments = json.loads(call.function.arguments)
        result = {"role": "tool", "tool_call_id": call.id, "content": weather(**arguments)}
        parts = complete([user], stream=True)
        found = {
            "chat": complete([user]).choices[0].message.content,
            "stream": "".join(part.choices[0].delta.content or "" for part in parts),
            "call": [call.function.name, arguments],
            "answer": complete([user, called, result], tools=tools).choices[0].message.content,
        }
        if model.startswith("anthropic/"):
            return found  # asks for structured output by a field that the released API has not
        said = complete([user], response_format=City).choices[0].message.content
        return {**found, "structured": City.model_validate_json(said).name}

    return {
        "gpt": ask("openai/gpt", f"{url}/v1"),
        "claude": ask("openai/claude", f"{url}/v1"),
        "messages": ask("anthropic/claude-sonnet-5", url),
    }


def pydantic_ai(url: str) -> dict[str, Any]:
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    openai = OpenAIProvider(base_url=f"{url}/v1")

    def ask(model: Any) -> dict[str, Any]:
        calls: list[Any] = []

        def look(city: str) -> str:
            """Tell the weather of a city."""
            calls.append(["weather", {"city": city}])
            return weather(city)

        agent = Agent(model)
        stream = agent.run_stream_sync(ASK)
        tooled = Agent(model, tools=[look]).run_sync(ASK).output
        return {
            "chat": agent.run_sync(ASK).output,
            "stream": list(stream.stream_text(debounce_by=None))[-1],
            "call": calls[0],
            "answer": tooled,
            "structured": Agent(model, output_type=NativeOutput(City)).run_sync(ASK).output.name,
            "structured_by_tool": Agent(model, output_type=City).run_sync(ASK).output.name,
        }

    return {
        "gpt": ask(OpenAIChatModel("gpt", provider=openai)),
        "claude": ask(OpenAIChatModel("claude", provider=openai)),
        "responses": ask(OpenAIResponsesModel("claude", provider=openai)),
    }


def openai_agents(url: str) -> dict[str, Any]:
    import asyncio

    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=f"{url}/v1", max_retries=0)

    async def ask(model: Any) -> dict[str, Any]:
        calls: list[Any] = []

        @function_tool
        def look(city: str) -> str:
            """Tell the weather of a city."""
            calls.append(["weather", {"city": city}])
            return weather(city)

        agent = Agent(name="a", instructions="Be short.", model=model)
        streamed = Runner.run_streamed(agent, ASK)
        kinds = [event.type async for event in streamed.stream_events()]
        tooled = await Runner.run(Agent(name="b", model=model, tools=[look]), ASK)
        structured = await Runner.run(Agent(name="c", model=model, output_type=City), ASK)
        assert "raw_response_event" in kinds
        return {
            "chat": (await Runner.run(agent, ASK)).final_output,
            "stream": streamed.final_output,
            "call": calls[0],
            "answer": tooled.final_output,
            "structured": structured.final_output.name,
        }

    async def main() -> dict[str, Any]:
        chat = OpenAIChatCompletionsModel(model="claude", openai_client=client)
        return {
            "claude": await ask(chat),
            "responses": await ask(OpenAIResponsesModel(model="claude", openai_client=client)),
            "responses_of_gpt": await ask(OpenAIResponsesModel(model="gpt", openai_client=client)),
        }

    return asyncio.run(main())


def llama_index(url: str) -> dict[str, Any]:
    from llama_index.core.llms import ChatMessage
    from llama_index.core.tools import FunctionTool
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding
    from llama_index.llms.openai_like import OpenAILike

    def ask(name: str) -> dict[str, Any]:
        model = OpenAILike(
            model=name,
            api_base=f"{url}/v1",
            api_key="none",
            is_chat_model=True,
            is_function_calling_model=True,
            should_use_structured_outputs=True,
            max_retries=0,
        )
        user = [ChatMessage(role="user", content=ASK)]
        tool = FunctionTool.from_defaults(weather)
        called = model.chat_with_tools([tool], user_msg=ASK)
        call = model.get_tool_calls_from_response(called)[0]
        result = ChatMessage(role="tool", content="Rain.", additional_kwargs={"tool_call_id": call.tool_id})
        history = [*user, called.message, result]
        return {
            "chat": model.chat(user).message.content,
            "stream": "".join(part.delta or "" for part in model.stream_chat(user)),
            "call": [call.tool_name, call.tool_kwargs],
            "answer": model.chat_with_tools([tool], chat_history=history).message.content,
            "structured": model.as_structured_llm(City).chat(user).raw.name,
        }

    vectors = OpenAILikeEmbedding(model_name="vec", api_base=f"{url}/v1", api_key="none")
    found = vectors.get_text_embedding_batch(["a", "b"])
    return {"gpt": ask("gpt"), "claude": ask("claude"), "vectors": found}


CLIENTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "langchain-openai": langchain_openai,
    "langchain-anthropic": langchain_anthropic,
    "litellm": litellm,
    "pydantic-ai": pydantic_ai,
    "openai-agents": openai_agents,
    "llama-index": llama_index,
}

if __name__ == "__main__":
    print(json.dumps(CLIENTS[sys.argv[1]](sys.argv[2])))
