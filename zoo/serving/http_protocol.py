"""uvicorn's HTTP protocol, with a limit on the time in which a client must have sent the head of a request."""


def make_protocol(read_timeout):
    """Returns uvicorn's protocol class; its connections close where no whole head arrives within `read_timeout`.

    uvicorn itself waits forever for the head of a connection's first request, and for the rest of a later one. The time
    of the body is limited in `zoo.serving.rest`.

    Args:
        read_timeout: seconds from the connection, or from the first byte of a later request.
    """
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        _timer = None
        _last_request = None  # the request whose head arrived last

        def connection_made(self, transport):
            super().connection_made(transport)
            self._timer = self.loop.call_later(read_timeout, transport.abort)

        def data_received(self, data):
            super().data_received(data)
            if self.cycle is not self._last_request:
                self._last_request = self.cycle
                self._cancel_timer()
            elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
                self._timer = self.loop.call_later(read_timeout, self.transport.abort)

        def connection_lost(self, error):
            self._cancel_timer()
            super().connection_lost(error)

        def _cancel_timer(self):
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Protocol
