"""A development server with TensorFlow Serving's interfaces; production takes the stock tensorflow/serving image."""

import socket
import threading

from zoo.arguments import Count, Whole, checked
from zoo.r_interop import refuse_r_function
from zoo.serving import rest, rpc
from zoo.serving.model_store import Gate, ModelStore

NOTE = "This is a development server. In production, serve the same folder with the stock tensorflow/serving image."


class Server:
    """Serves a folder of exports over REST and gRPC, from threads of this process; use it in a `with`.

    Its paths, messages and errors are TensorFlow Serving's: what asks this server asks the stock image unchanged. New
    versions in the folder are loaded as they appear, and one that cannot be loaded leaves the others in service.

    Args:
        folder: FOLDER/NAME/VERSION, as `zoo.export` writes it; a models.config in it holds as in TensorFlow Serving.
        rest_port: REST's; 0 takes a free one.
        grpc_port: gRPC's; 0 takes a free one.
        host: address to listen on; 127.0.0.1 is seen from this machine only.
        workers: requests at work side by side.
        queue: requests that may wait; the next is refused as UNAVAILABLE (503).
        max_request_bytes: how many bytes a request may have.
        poll_seconds: seconds between two looks at the folder; 0 for one look only.
    Attributes:
        rest_address, grpc_address: what a `Client` takes.
    Raises:
        ValueError: if there is no model in the folder.
        OSError: if a port is taken.
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
        poll_seconds: Whole = 2,
        note=lambda sentence: None,
    ):
        import uvicorn

        refuse_r_function(note, "Server: `note`")
        self.shelf = ModelStore(folder, note)
        gate = Gate(workers, queue)
        self._socket = socket.create_server((host, rest_port))
        # Inherited by each connection: else an answer's second packet waits 40 ms for the first one's receipt.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._grpc, grpc_port = rpc.server(
                self.shelf, gate, f"{host}:{grpc_port}", workers, queue, max_request_bytes
            )
        except OSError:
            self._socket.close()
            raise
        app = rest.application(self.shelf, gate, max_request_bytes)
        self._rest = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_keep_alive=30))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._rest.run, args=([self._socket],), daemon=True)]
        if poll_seconds:
            self._threads.append(threading.Thread(target=self._watch, args=(poll_seconds,), daemon=True))
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
        self._grpc.stop(1).wait()
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def _watch(self, seconds):
        while not self._stop.wait(seconds):
            try:
                self.shelf.look()
            except Exception as error:  # a models.config half written; what is loaded is served on
                self.shelf.note(f"{self.shelf.folder} cannot be read: {error}")

    def wait(self):
        """Serves until the process is interrupted."""
        self._stop.wait()
