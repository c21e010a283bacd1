"""A web page for this machine only, by a server of the standard library in a thread."""

import http.server
import json
import threading

MAX_REQUEST_BYTES = 1 << 20


class LocalPage:
    """A running page at `.address`. It stops with `.close()`, at the end of a `with` block or of the process.

    Args:
        handler: subclass of `LocalHandler`.
        port: of the page; 0 for any free port.
        name: of the thread.
    Raises:
        ValueError: if the port is in use.
    """

    def __init__(self, handler, port, name):
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except (OSError, OverflowError) as error:
            raise ValueError(f"{name}: `port` {port} cannot be used: {error}.") from None
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, name=name, daemon=True)
        self._thread.start()

    def wait(self):
        """Blocks until the page is closed; Ctrl-C closes it."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.close()

    def close(self):
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class LocalHandler(http.server.BaseHTTPRequestHandler):
    """Answers requests of this machine; a subclass defines `get()` and `post(request)`.

    Requests that name another host are refused, which prevents DNS rebinding, and so are those that a page of another
    origin sends.
    """

    def do_GET(self):
        if self._is_local():
            self._answer(self.get)

    def do_POST(self):
        if not self._is_local():
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
            self.send_json(413, {"error": f"The request must have at most {MAX_REQUEST_BYTES} bytes."})
            return
        body = self.rfile.read(int(length))
        self._answer(lambda: self.post(json.loads(body)))

    def _answer(self, function):
        try:
            function()
        except ValueError as error:
            self.send_json(400, {"error": str(error)})
        except Exception as error:  # any error of a model or of preprocessing: the page shows it
            self.send_json(500, {"error": f"{type(error).__name__}: {error}"})

    def _is_local(self):
        """Returns whether the request names this machine, and no page of another origin sent it."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        is_here = host.rsplit(":", 1)[0] in ("127.0.0.1", "localhost")
        if is_here and origin in (None, f"http://{host}"):
            return True
        self.send_json(403, {"error": "This page accepts requests from its own machine only."})
        return False

    def send_page(self, html):
        """Sends an HTML page."""
        self.send_content("text/html; charset=utf-8", html.encode())

    def send_json(self, status, data):
        """Sends JSON with an HTTP status."""
        self.send_content("application/json", json.dumps(data).encode(), status)

    def send_content(self, content_type, content, status=200):
        """Sends bytes."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Logs nothing: there is a request for each stroke or key."""
