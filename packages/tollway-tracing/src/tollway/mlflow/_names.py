"""The attributes of a trace's root that hold what MLflow knows of a whole trace."""

TAG = "mlflow.trace.tag."
"""Before the names of tags."""

METADATA = "mlflow.trace.metadata."
"""Before the names of metadata."""

PREVIEWS = {
    "request_preview": "mlflow.trace.requestPreview",
    "response_preview": "mlflow.trace.responsePreview",
}
CLIENT_REQUEST_ID = "mlflow.trace.clientRequestId"
SPAN_TYPE = "mlflow.spanType"
