"""The files of a provider plugin that `tollway providers new` writes, as templates of `string.Template`."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "${package}"
version = "0.1.0"
description = "The ${name} provider of the Tollway AI gateway."
readme = "README.md"
requires-python = ">=3.11"
dependencies = [
  "tollway-providers",  # the contract
]

[project.optional-dependencies]
test = [
  "pytest",  # runs the contract test
]

[project.entry-points."tollway.providers"]
"${name}" = "${module}:${class_name}"

[tool.hatch.build.targets.wheel]
only-include = ["src/${module}.py"]
sources = ["src"]
"""

_PREDICT = '''\
"""The ${name} provider of the Tollway AI gateway."""

from typing import Any

from tollway.provider import BaseProvider, Task


class ${class_name}(BaseProvider):
    """Answers chats with what it was asked: replace `predict` by a call of your model."""

    tasks = frozenset({Task.CHAT})

    def predict(self, payload: dict[str, Any]) -> str:
        """Return the answer to a request, which is in OpenAI's dialect."""
        return f"{self.target.model} heard: {payload['messages'][-1]['content']}"
'''

_HTTP = '''\
"""The ${name} provider of the Tollway AI gateway."""

from tollway.provider import HTTPProvider, Setting, Task


class ${class_name}(HTTPProvider):
    """A service that speaks OpenAI's dialect; override `request`, `response`, `stream` where it differs."""

    base_url = "${base_url}"
    tasks = frozenset({Task.CHAT})
    key_setting = "api_key"
    settings = (Setting("api_key", "the key of your account", required=True, secret=True),)
'''

_TEST = '''\
"""The rules that every provider of the gateway keeps."""

from tollway.provider.testing import ProviderContract

from ${module} import ${class_name}


class Test${class_name}(ProviderContract):
    """Checks the whole provider without a network."""

    provider = ${class_name}
    model = "${name}-1"
'''

_KEY_OF_THE_TEST = '    config = {"api_key": "made-up-for-tests"}\n'

_README = """\
# ${package}

The provider `${name}` of the Tollway AI gateway.

```sh
pip install -e '.[test]'
pytest
tollway gateway start --config-path gateway-config.yaml
```
"""

_CONFIG = """\
endpoints:
  - name: ${name}
    endpoint_type: llm/v1/chat
    model: {provider: ${name}, name: ${name}-1}
"""


def files(name: str, base_url: str | None = None) -> Mapping[str, str]:
    """Return the text of each file of a plugin by its path; `base_url` makes it one over HTTP."""
    words = name.replace(".", "-").split("-")
    module = f"tollway_{'_'.join(words)}"
    values = {
        "name": name,
        "package": f"tollway-{'-'.join(words)}",
        "module": module,
        "class_name": "".join(map(str.capitalize, words)) + "Provider",
        "base_url": base_url or "",
    }
    test, config = _TEST, _CONFIG
    if base_url:
        test += _KEY_OF_THE_TEST
        variable = f"{'_'.join(words).upper()}_API_KEY"
        config = config.replace("-1}", "-1, config: {api_key: $$${variable}}}")
        values["variable"] = variable
    templates = {
        "pyproject.toml": _PROJECT,
        "README.md": _README,
        "gateway-config.yaml": config,
        f"src/{module}.py": _HTTP if base_url else _PREDICT,
        "tests/test_contract.py": test,
    }
    return {path: Template(template).substitute(values) for path, template in templates.items()}
