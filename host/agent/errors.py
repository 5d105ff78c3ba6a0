"""The one kind of error that a person is meant to read."""


class HostError(Exception):
    """Something about the request or the host that stops a step; its text is one line and holds no secret."""
