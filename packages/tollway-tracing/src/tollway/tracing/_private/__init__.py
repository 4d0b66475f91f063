"""The private names of OpenTelemetry that this package needs: a test allows them nowhere else.

api      those of the API
sdk      those of the SDK: whoever only decorates functions does not import it

`pyproject.toml` bounds OpenTelemetry from above because of them: a release may rename them without notice.
"""
