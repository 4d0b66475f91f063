"""The module on a store of the test's own."""

import pytest
from opentelemetry import trace as otel

import tollway.mlflow as mlflow_module
from tollway import tracing
from tollway.mlflow import _switch, _target
from tollway.tracing.store import set_default


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """`tollway.mlflow`, tracing into a folder of the test."""
    provider = tracing.TracerProvider(tracing.RatioSlowSampler(), shutdown_on_exit=False)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(_target, "_target", _target._Target())
    monkeypatch.chdir(tmp_path)
    tracing.configure(service_name="test", store=tmp_path / "traces", environ={})
    yield mlflow_module
    _switch.switch(True)
    tracing.shutdown()
    set_default(None)
