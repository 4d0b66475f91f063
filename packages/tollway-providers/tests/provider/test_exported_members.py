import tollway.provider


def test_the_public_face_is_what_is_written_down_here() -> None:
    """A name that others may import is added, and above all removed, on purpose."""
    expected = [
        "Answer",
        "AnswerInfo",
        "BaseProvider",
        "Call",
        "Dialect",
        "ErrorKind",
        "HTTPProvider",
        "PayloadError",
        "PluginError",
        "Prediction",
        "PredictionError",
        "Predictions",
        "Provider",
        "ProviderError",
        "ProviderImportError",
        "ProviderNotFoundError",
        "ResponseError",
        "Setting",
        "SettingProblem",
        "StreamDecoder",
        "StreamError",
        "Target",
        "Task",
        "UpstreamConnectionError",
        "UpstreamError",
        "UpstreamRequest",
        "UpstreamResponse",
        "UpstreamTimeoutError",
        "Usage",
        "UsageDetails",
        "with_defaults",
    ]

    assert expected == tollway.provider.__all__
    assert all(hasattr(tollway.provider, name) for name in expected)
