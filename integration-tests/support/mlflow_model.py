"""A model for `mlflow models serve`: tasks that need no training. MLflow loads it by its file.

Texts give sentences (completions) or, with `MODEL_TASK=embeddings`, vectors of their length and words.
"""

from __future__ import annotations

import os
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class LengthModel(PythonModel):
    """Tells how long each text is."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[Any]:
        """Answer each text."""
        texts = [str(text) for text in model_input]
        if os.environ.get("MODEL_TASK") == "embeddings":
            return [[float(len(text)), float(len(text.split()))] for text in texts]
        return [f"{len(text)} characters" for text in texts]


set_model(LengthModel())
