"""The errors that a person is meant to read."""


class HostError(Exception):
    """Something about the request or the host that stops a step; its text is one line and holds no secret."""


class RefusedError(HostError):
    """A step refuses a request or a host before changing anything.

    `agent.main` adds that nothing has been changed, provided that is true.
    """
