"""The control plane: probes, metrics, what is served and how to call it. FastAPI, off every model's path."""

from .plane import create_control_app

__all__ = ["create_control_app"]
