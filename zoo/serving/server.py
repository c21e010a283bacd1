"""A development server with TensorFlow Serving's interfaces; production uses the stock tensorflow/serving image."""

import contextlib
import importlib.util
import signal
import socket
import threading

from zoo.arguments import Count, Positive, Whole, checked
from zoo.r_interop import refuse_r_function
from zoo.serving import http_protocol, rest, rpc
from zoo.serving.model_store import ModelStore, RequestQueue

DEVELOPMENT_NOTE = (
    "This is a development server. In production, serve the same folder with the stock tensorflow/serving image."
)


class Server:
    """Serves a folder of exports over REST and gRPC from threads of this process; a context manager.

    Paths, messages and status codes are TensorFlow Serving's, so that clients work with the stock image unchanged. New
    versions in the folder are loaded as they appear. Where one cannot be loaded, the others stay in service. A client
    that sends slowly takes no place in the queue. At the end of the `with` block, new requests are refused, and those
    in progress get their response.

    Args:
        folder: FOLDER/NAME/VERSION, as `zoo.export` writes it; a models.config in it holds as in TensorFlow Serving.
        rest_port: port of REST; 0 takes a free one.
        grpc_port: port of gRPC; 0 takes a free one.
        host: address to listen on; 127.0.0.1 is reached from this machine only.
        workers: number of requests that run at the same time.
        queue: number of requests that may wait; the next is refused as UNAVAILABLE (503).
        max_request_bytes: largest size of a request, in bytes.
        read_timeout: seconds within which a client must have sent a whole request over REST.
        drain_timeout: seconds that requests in progress may take after the end of the `with` block.
        poll_seconds: seconds between two searches of the folder for new versions; 0 searches at the start only.
        note: function that is called with one sentence for each version that was loaded or could not be.
    Attributes:
        rest_address, grpc_address: addresses for a `Client`.
    Raises:
        ValueError: if there is no model in the folder.
        OSError: if a port is in use.
    """

    @checked
    def __init__(
        self,
        folder: str,
        *,
        rest_port: Whole = 8501,
        grpc_port: Whole = 8500,
        host: str = "127.0.0.1",
        workers: Count = 2,
        queue: Whole = 64,
        max_request_bytes: Count = 2**26,
        read_timeout: Positive = 30.0,
        drain_timeout: Whole = 25,
        poll_seconds: Whole = 2,
        note=lambda sentence: None,
    ):
        missing = [name for name in ("fastapi", "uvicorn", "grpc") if importlib.util.find_spec(name) is None]
        if missing:
            raise ImportError(f"serve: needs {', '.join(missing)}, which `pip install fieldzoo[serve]` installs.")
        import uvicorn

        refuse_r_function(note, "Server: `note`")
        self.store = ModelStore(folder, note)
        request_queue = RequestQueue(workers, queue)
        try:
            self._socket = socket.create_server((host, rest_port))
        except OSError as error:  # in use, or no address of this machine
            raise OSError(f"serve: cannot listen on {host}:{rest_port}: {error.strerror}") from None
        # Inherited by each connection: else a response's second packet waits 40 ms for the first one's receipt.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._grpc, grpc_port = rpc.make_server(self.store, request_queue, f"{host}:{grpc_port}", max_request_bytes)
        except OSError:
            self._socket.close()
            raise
        app = rest.make_app(self.store, request_queue, max_request_bytes, read_timeout)
        config = uvicorn.Config(
            app,
            http=http_protocol.make_protocol(read_timeout),
            ws="none",
            log_level="error",
            lifespan="off",
            timeout_keep_alive=read_timeout,
            timeout_graceful_shutdown=drain_timeout,
        )
        self._rest, self._drain_timeout = uvicorn.Server(config), drain_timeout
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._rest.run, args=([self._socket],), daemon=True)]
        if poll_seconds:
            self._threads.append(threading.Thread(target=self._poll, args=(poll_seconds,), daemon=True))
        self.rest_address = f"http://{host}:{self._socket.getsockname()[1]}"
        self.grpc_address = f"grpc://{host}:{grpc_port}"

    def __enter__(self):
        self._grpc.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._rest.should_exit = True
        stopped = self._grpc.stop(self._drain_timeout)
        for thread in self._threads:
            thread.join(self._drain_timeout + 10)
        stopped.wait()
        self._socket.close()

    def _poll(self, seconds):
        while not self._stop.wait(seconds):
            try:
                self.store.refresh()
            except Exception as error:  # such as a half-written models.config; loaded models stay in service
                self.store.note(f"{self.store.folder} cannot be read: {error}")

    def wait(self):
        """Blocks until the process gets SIGINT (ctrl-c) or SIGTERM, in the main thread; a second signal ends it."""
        with _calling_on_signals(self._stop.set):
            self._stop.wait()


@contextlib.contextmanager
def _calling_on_signals(function):
    """Calls `function` on the first SIGINT or SIGTERM within the block; then the handlers are as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore():
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number, frame):
        restore()
        function()

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()
