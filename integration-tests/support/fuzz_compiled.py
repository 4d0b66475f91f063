"""Calls compiled classes with odd objects, at random: `python -m support.fuzz_compiled SEED STEPS`.

Anything may raise. Nothing may end the process; run with `PYTHONMALLOC=debug`, a use of memory that was freed
does end it.
"""

from __future__ import annotations

import faulthandler
import gc
import inspect
import logging
import random
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from functools import cache, lru_cache
from types import GetSetDescriptorType
from typing import Any

import wrapt

from support import compiled
from support.instances import SAMPLES, instance_of

MAX_POOL = 200
MAX_DEPTH = 3
"""How deep calls nest that a callback makes."""
SLOWEST_STEP_S = 60.0


class Fuzz:
    """A pool of objects, and random steps on them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.classes = compiled.classes()
        self.functions = [
            value
            for module in compiled.modules()
            for value in vars(module).values()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        self.depth = 0
        self.pool: list[Any] = []

    def run(self, steps: int) -> None:
        """Take so many steps."""
        for step in range(steps):
            faulthandler.dump_traceback_later(SLOWEST_STEP_S, exit=True)
            self.attempt()
            if step % 97 == 0:
                gc.collect()
        faulthandler.cancel_dump_traceback_later()
        self.pool.clear()
        gc.collect()

    def attempt(self) -> Any:
        """Do one random thing, and keep what comes of it."""
        actions: list[Callable[[], Any]] = [
            self.make,
            self.call_method,
            self.call_method,
            self.call_by_class,
            self.read,
            self.write,
            self.delete,
            self.call_function,
        ]
        try:
            found = self.random.choice(actions)()
        except Exception:
            return None
        self.keep(found)
        return found

    def keep(self, found: object) -> None:
        """Put it into the pool; what was there in its place may go, in the middle of whatever runs."""
        if len(self.pool) < MAX_POOL:
            self.pool.append(found)
        else:
            self.pool[self.random.randrange(MAX_POOL)] = found

    def one(self) -> Any:
        """Return an instance of a compiled class: often one on which much was done."""
        found = [value for value in self.pool if isinstance(value, tuple(self.classes))]
        return self.random.choice(found) if found and self.random.random() < 0.7 else self.make()

    def any(self) -> Any:
        """Return anything."""
        chance = self.random.random()
        if chance < 0.3 and self.pool:
            return self.random.choice(self.pool)
        if chance < 0.4:
            return self.random.choice([Callback, Callback, Doomed])(self)
        if chance < 0.5:
            return wrapt.ObjectProxy(self.one())
        if chance < 0.6:
            return self.make()
        return self.random.choice(PLAIN)()

    def make(self) -> Any:
        """Return a new instance: in use, or one whose `__init__` did not run, or of a subclass."""
        class_ = self.random.choice(self.classes)
        chance = self.random.random()
        if chance < 0.5:
            return instance_of(class_)
        if chance < 0.7:
            class_ = type("Child", (class_,), {"__hash__": Callback(self), "__eq__": Callback(self)})
        return class_.__new__(class_) if chance < 0.9 else class_(*self.arguments(class_.__init__))

    def arguments(self, function: object) -> list[Any]:
        """Return as many arguments as a function takes, or about so many: fitting ones and others."""
        names = _arguments_of(function)
        if names is None or self.random.random() < 0.1:
            return [self.any() for _ in range(self.random.choice([0, 1, 1, 2, 3, 9]))]
        return [
            SAMPLES[name]() if name in SAMPLES and self.random.random() < 0.5 else self.any()
            for name in names
        ]

    def method_of(self, class_: type) -> str:
        """Return the name of a method, mostly of one that the class has not from `object`."""
        names = _methods_of(class_)
        return self.random.choice(names if self.random.random() < 0.9 else dir(object))

    def call_method(self) -> Any:
        one = self.one()
        method = getattr(one, self.method_of(type(one)))
        return method(*self.arguments(method))

    def call_by_class(self) -> Any:
        class_ = self.random.choice(self.classes)
        member = getattr(class_, self.method_of(class_))
        return self.random.choice([member, member.__get__])(self.any(), *self.arguments(member)[1:])

    def read(self) -> Any:
        one = self.one()
        return getattr(one, self.random.choice(_attributes_of(type(one))))

    def write(self) -> None:
        one = self.one()
        setattr(one, self.random.choice(_attributes_of(type(one))), self.any())

    def delete(self) -> None:
        one = self.one()
        delattr(one, self.random.choice(_attributes_of(type(one))))

    def call_function(self) -> Any:
        function = self.random.choice(self.functions)
        return function(*self.arguments(function))


@lru_cache(10_000)
def _arguments_of(function: object) -> list[str] | None:
    try:
        return [*inspect.signature(function).parameters]  # type: ignore[arg-type]  # it may be any callable
    except (TypeError, ValueError):  # it has none
        return None


@cache
def _methods_of(class_: type) -> list[str]:
    return [
        name
        for name in dir(class_)
        if callable(getattr(class_, name)) and name not in LEFT_OUT and not hasattr(object, name)
    ] or ["__repr__"]


@cache
def _attributes_of(class_: type) -> list[str]:
    names = [name for name in dir(class_) if isinstance(getattr(class_, name), GetSetDescriptorType)]
    return names or ["name"]


class Callback:
    """Stands for any object: each use of it does random things, while compiled code waits for its result."""

    def __init__(self, fuzz: Fuzz) -> None:
        object.__setattr__(self, "fuzz", fuzz)

    def __call__(self, *arguments: object, **named: object) -> Any:
        fuzz = self.fuzz
        if fuzz.depth >= MAX_DEPTH:
            raise ValueError
        fuzz.depth += 1
        try:
            for _ in range(fuzz.random.choice([1, 1, 2, 5])):
                fuzz.attempt()
        finally:
            fuzz.depth -= 1
        if fuzz.random.random() < 0.3:
            raise fuzz.random.choice([AttributeError, IndexError, KeyError, StopIteration, ValueError])
        return fuzz.any()

    def __getattr__(self, name: str) -> Any:
        return self() if self.fuzz.random.random() < 0.5 else self

    def __setattr__(self, name: str, value: object) -> None:
        self()

    def __hash__(self) -> int:
        self()
        return self.fuzz.random.choice([1, 2])

    def __eq__(self, other: object) -> Any:
        return self()

    def __bool__(self) -> bool:
        self()
        return self.fuzz.random.random() < 0.5

    __lt__ = __gt__ = __add__ = __sub__ = __iter__ = __next__ = __getitem__ = __setitem__ = __call__
    __len__ = __index__ = __int__ = __float__ = __and__ = __contains__ = __delitem__ = __call__


class Doomed:
    """Does random things when it is freed."""

    def __init__(self, fuzz: Fuzz) -> None:
        self.callback = Callback(fuzz)

    def __del__(self) -> None:
        try:
            self.callback()
        except Exception:
            return


LEFT_OUT = {"__del__"}
"""Not called: it is the interpreter's to call."""

PLAIN: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: 0,
    lambda: -1,
    lambda: 2**31,
    lambda: 2**63 - 1,
    lambda: 2**200,
    lambda: 1.5,
    lambda: float("nan"),
    lambda: "",
    lambda: "text",
    lambda: "\ud800",
    lambda: "é" * 3000,
    lambda: b"bytes",
    lambda: b"a: b\r\n",
    list,
    dict,
    tuple,
    lambda: ["a", None, 1],
    lambda: {"a": 1, 2: "b"},
    lambda: (0,) * 9,
    lambda: [[]] * 3,
    object,
    lambda: int,
    lambda: ValueError("x"),
    lambda: print,
    lambda: iter([1, 2, 3]),
    lambda: weakref.ref(Fuzz),
    lambda: bytearray(b"x"),
    lambda: memoryview(b"x"),
]


def main() -> None:
    """Run, without threads, waits, or a word of what goes wrong: everything does."""
    seed, steps = map(int, sys.argv[1:])
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    threading.Thread.start = lambda self: None  # type: ignore[method-assign]  # nothing may run beside it
    threading.Event.wait = lambda self, timeout=None: True  # type: ignore[method-assign]  # as above
    gc.set_threshold(70)
    Fuzz(seed).run(steps)
    print("alive")


if __name__ == "__main__":
    main()
