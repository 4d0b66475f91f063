"""The rules that every provider keeps, as a test class for pytest: subclass it and name your provider.

    from tollway.provider.testing import ProviderContract

    class TestAcme(ProviderContract):
        provider = AcmeProvider
        model = "acme-1"
        config = {"api_key": "made-up-for-tests"}

Nothing here touches the network: an HTTP provider is pure functions, and is given samples of its service's
answers. A `predict` is called for real.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from . import _contract_http, _contract_predict, sse
from ._base import BaseProvider, Provider
from ._contract_samples import GARBAGE, OPENAI_ANSWERS, OPENAI_STREAMS, PAYLOADS, asked
from ._http import HTTPProvider
from ._settings import with_defaults
from ._values import Call, Setting, Target, Task

__all__ = ["OPENAI_ANSWERS", "OPENAI_STREAMS", "PAYLOADS", "ProviderContract"]


class ProviderContract:
    """Checks one provider whole: its settings, what it shows of secrets, and how it asks and answers."""

    provider: ClassVar[type[Provider]]
    """The class under test."""

    model: ClassVar[str] = "model"
    """The upstream's name of a model."""

    config: ClassVar[Mapping[str, Any]] = {}
    """A `model.config` that is right; its secrets are made up."""

    payloads: ClassVar[Mapping[Task, dict[str, Any]]] = PAYLOADS
    """A request of every task, in OpenAI's dialect."""

    answers: ClassVar[Mapping[Task, bytes]] = OPENAI_ANSWERS
    """Of an HTTP provider: a whole answer to each, as its service sends it, with usage."""

    streams: ClassVar[Mapping[Task, bytes]] = OPENAI_STREAMS
    """Of an HTTP provider: a whole stream of each, as its service sends it, with usage."""

    garbage: ClassVar[tuple[bytes, ...]] = GARBAGE
    """Of an HTTP provider: what in its service's stream is an error."""

    predicts: ClassVar[bool] = True
    """Whether `predict` can be called where the tests run."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        provider = getattr(cls, "provider", None)
        if isinstance(provider, type) and issubclass(provider, HTTPProvider):
            cls._take(vars(_contract_http))
        elif isinstance(provider, type) and issubclass(provider, BaseProvider) and cls.predicts:
            cls._take(vars(_contract_predict))

    @classmethod
    def _take(cls, rules: Mapping[str, Any]) -> None:
        """Make tests of the rules for this kind of provider; those that the subclass has are its own."""
        for name, rule in rules.items():
            if name.startswith("test_") and not hasattr(cls, name):
                setattr(cls, name, rule)

    @contextmanager
    def made(self, task: Task) -> Iterator[Provider]:
        """Make the provider for a task, and close it."""
        settings = with_defaults(self.provider.settings, self.config)
        provider = self.provider(Target("endpoint", task, self.model, settings))
        try:
            yield provider
        finally:
            provider.close()

    def call(self, task: Task, *, stream: bool = False) -> Call:
        """Return a call of a task, as the gateway would make it."""
        return asked(task, self.payloads[task], stream=stream)

    def first_event(self, stream: bytes) -> bytes:
        """Return the first event of a sample; override it where they are no server-sent events."""
        return sse.Parser().feed(stream)[0].raw

    def tasks(self, *, stream: bool = False) -> list[Task]:
        """Return the tasks that are served; those that stream, if asked for."""
        served = sorted(self.provider.tasks)
        return [task for task in served if task is not Task.EMBEDDINGS] if stream else served

    def secrets(self) -> list[str]:
        """Return the secrets of the config."""
        names = {setting.name for setting in self.provider.settings or () if setting.secret}
        return [value for name, value in self.config.items() if name in names and isinstance(value, str)]

    def test_the_class_is_a_provider(self) -> None:
        """It is made from BaseProvider or from HTTPProvider."""
        assert issubclass(self.provider, BaseProvider | HTTPProvider), f"{self.provider} is neither"

    def test_settings_are_coherent(self) -> None:
        """Each setting has a name of its own and a help, and a default that fits it."""
        settings = self.provider.settings or ()
        names = [setting.name for setting in settings]
        assert len(names) == len(set(names)), f"a setting is declared twice: {names}"
        for setting in settings:
            _check_coherent(setting)

    def test_the_config_of_this_test_is_accepted(self) -> None:
        """`check` finds nothing wrong with it, for any task that is served."""
        for task in self.tasks():
            assert not list(self.provider.check(self.config, task))

    def test_an_unknown_key_is_a_problem(self) -> None:
        """A misspelt key is reported, unless the provider leaves keys open."""
        if self.provider.settings is not None:
            problems = list(self.provider.check({**self.config, "no_such_key": "x"}, self.tasks()[0]))
            assert [problem.key for problem in problems] == ["no_such_key"]

    def test_a_missing_key_is_a_problem(self) -> None:
        """Each required key is reported by name when it is missing, with how to fix it."""
        for setting in self.provider.settings or ():
            if setting.required:
                config = {name: value for name, value in self.config.items() if name != setting.name}
                problems = list(self.provider.check(config, self.tasks()[0]))
                assert setting.name in [problem.key for problem in problems if problem.hint]

    def test_a_task_that_is_not_served_is_a_problem(self) -> None:
        """An endpoint type that the provider cannot serve is refused before the first request."""
        for task in set(Task) - self.provider.tasks:
            assert list(self.provider.check(self.config, task)), f"{task} is not served and not refused"

    def test_secrets_are_never_shown(self) -> None:
        """Neither a provider's repr nor a problem of its config holds a secret."""
        wrong = {name: [value] for name, value in self.config.items()} | {"no_such_key": "x"}
        problems = [
            p for task in Task for config in (wrong, self.config) for p in self.provider.check(config, task)
        ]
        with self.made(self.tasks()[0]) as provider:
            shown = repr(provider) + repr(provider.target) + repr(problems)
        for secret in self.secrets():
            assert secret not in shown

    def test_it_may_be_closed_again(self) -> None:
        """`close` is harmless before the first request, and when it is said twice."""
        with self.made(self.tasks()[0]) as provider:
            provider.close()


def _check_coherent(setting: Setting) -> None:
    assert setting.name, "a setting has no name"
    assert setting.help, f"{setting.name} has no help"
    if setting.default is not None:
        assert not setting.secret, f"{setting.name} is secret, and its default is in the code"
        assert not setting.required, f"{setting.name} has a default and can never be missing"
        allowed = (int, float) if setting.type is float else setting.type
        assert isinstance(setting.default, allowed), (
            f"the default of {setting.name} is no {setting.type.__name__}"
        )
        assert not setting.choices or setting.default in setting.choices, (
            f"{setting.name}: default is not a choice"
        )
