"""OpenTelemetry's semantic conventions, and other vocabularies: which attribute says what."""
