"""The errors that a person is meant to read."""


class HostError(Exception):
    """Something about the request or the host that stops a step; its text is one line and holds no secret."""


class RefusedError(HostError):
    """A request or a host with which a step does not begin.

    If indeed nothing has been changed, `agent.main` says so after the text.
    """
