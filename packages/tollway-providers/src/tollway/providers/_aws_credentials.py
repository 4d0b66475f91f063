"""AWS credentials in MLflow's forms, and signatures by botocore's signer (SigV4).

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from tollway.provider import SettingProblem, UpstreamRequest

from ._tokens import Token, TokenSource

_KNOWN = {
    *("aws_region", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
    *("aws_role_arn", "session_length_seconds", "aws_bearer_token"),
}
_SERVICE = "bedrock"
_SESSION_S = 900
_LOOK_AGAIN_S = 600.0
"""How long the environment's credentials are taken for good: botocore knows when they have to be new."""


class Credentials(Protocol):
    """Where botocore's frozen credentials come from; never waits."""

    def get(self) -> Any:
        """Return the credentials."""


def check_aws_config(aws: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Yield a problem for every unknown key, and for half a pair of keys."""
    for key in aws:
        if key not in _KNOWN:
            hint = f"remove it; known keys: {', '.join(sorted(_KNOWN))}"
            yield SettingProblem("aws_config", f"unknown key {key!r} in aws_config", hint)
    pair = ("aws_access_key_id", "aws_secret_access_key")
    given = [key for key in pair if aws.get(key)]
    if len(given) == 1:
        (missing,) = set(pair) - set(given)
        yield SettingProblem("aws_config", f"{missing} is missing in aws_config", f"add it beside {given[0]}")
    for key, value in aws.items():
        if key != "session_length_seconds" and value is not None and not _fits(value):
            message = f"{key} in aws_config is not one line of plain characters"
            yield SettingProblem("aws_config", message, "copy it again, or give it as $ENV")


def _fits(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def credentials_of(aws: Mapping[str, Any], region: str) -> Credentials:
    """Return the credentials that a config names: keys, a role, or those of the environment."""
    if aws.get("aws_access_key_id"):
        return _Keys(aws)
    if aws.get("aws_role_arn"):
        return TokenSource(lambda: _assumed(aws, region))
    return TokenSource(_environment())


def sign(request: UpstreamRequest, credentials: Any, region: str) -> UpstreamRequest:
    """Return a request with its signature among the headers; the time is now."""
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped,unused-ignore]  # it ships no types
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped,unused-ignore]  # it ships no types

    asked = AWSRequest(
        method=request.method, url=request.url, data=request.body, headers=dict(request.headers)
    )
    SigV4Auth(credentials, _SERVICE, region).add_auth(asked)
    headers = tuple((name.lower(), str(value)) for name, value in asked.headers.items())
    return request._replace(headers=headers)


class _Keys:
    """Keys that stand in the config."""

    def __init__(self, aws: Mapping[str, Any]) -> None:
        self._aws = aws
        self._made: Any = None

    def get(self) -> Any:
        """Return the keys as botocore has them."""
        if self._made is None:
            from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped,unused-ignore]  # it ships no types

            names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            self._made = ReadOnlyCredentials(*(self._aws.get(name) for name in names), None)
        return self._made


def _assumed(aws: Mapping[str, Any], region: str) -> Token[Any]:
    """Assume a role with the environment's credentials; blocks."""
    from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped,unused-ignore]  # it ships no types
    from botocore.session import Session  # type: ignore[import-untyped,unused-ignore]  # it ships no types

    length_s = int(aws.get("session_length_seconds") or _SESSION_S)
    given = (
        Session()
        .create_client("sts", region_name=region)
        .assume_role(
            RoleArn=aws["aws_role_arn"], RoleSessionName="tollway-gateway", DurationSeconds=length_s
        )["Credentials"]
    )
    keys = ReadOnlyCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], None)
    return Token(keys, float(length_s))


def _environment() -> Callable[[], Token[Any]]:
    """Return what finds the environment's credentials (variables, files, a container's, a machine's)."""
    found: list[Any] = []

    def fetch() -> Token[Any]:
        from botocore.session import Session  # type: ignore[import-untyped,unused-ignore]  # it ships no types

        if not found:
            credentials = Session().get_credentials()
            if credentials is None:
                raise LookupError("the environment has no AWS credentials")
            found.append(credentials)
        return Token(found[0].get_frozen_credentials(), _LOOK_AGAIN_S)

    return fetch
