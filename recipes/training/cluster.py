"""The machines of a distributed training: TF_CONFIG, and messages between the workers before TensorFlow connects them.

TensorFlow waits for absent workers without end and compares nothing. So the workers first meet on plain sockets at the
chief's address: each must come in time, have the same versions and cluster, and later train the same model on the same
data. The chief also sends its backup, so that workers resume without a shared file system.
"""

import dataclasses
import json
import os
import socket
import struct
import sys
import time

TIMEOUT = 600.0  # seconds to wait for the other workers; the environment variable ZOO_WORKERS_TIMEOUT overrules it
RETRY = 0.2  # seconds between two attempts to connect
QUIET = 5.0  # seconds of waiting before a note on stderr says so
GREETING = b"fieldzoo worker 1\n"  # of this protocol's version
LARGEST_MESSAGE = 2**40  # bytes
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:12345", "10.0.0.2:12345"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The addresses of all workers, and which one this process is.

    Args:
        addresses: "host:port" of each worker; the first one is the chief.
        index: of this process in `addresses`.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self):
        """Whether this process writes the run's files."""
        return self.index == 0


def read_cluster(environment=None):
    """Returns the `Cluster` that the environment variable TF_CONFIG describes.

    Args:
        environment: dict of the variables; default those of the process.
    Raises:
        ValueError: if TF_CONFIG is absent or malformed, or names other jobs than chief and worker.
    """
    text = (os.environ if environment is None else environment).get("TF_CONFIG", "")
    if not text:
        raise _wrong("must be set on each worker", "none")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong("must be JSON", f"{text!r} ({error})") from None
    jobs = config.get("cluster") if isinstance(config, dict) else None
    task = config.get("task") if isinstance(config, dict) else None
    if not isinstance(jobs, dict) or not isinstance(task, dict):
        raise _wrong("must have `cluster` and `task`", text)
    others = sorted(set(jobs) - {"chief", "worker"})
    if others or len(jobs.get("chief", ())) > 1:
        raise _wrong("must have the jobs `worker` and at most one `chief`", f"{', '.join(others) or 'several chiefs'}")
    for addresses in jobs.values():
        if not isinstance(addresses, list):
            raise _wrong("must have a list of addresses for each job", repr(addresses))
    workers = [(job, i, address) for job in ("chief", "worker") for i, address in enumerate(jobs.get(job, ()))]
    addresses = tuple(address for _, _, address in workers)
    for address in addresses:
        _verify_address(address)
    if len(set(addresses)) != len(addresses):
        raise _wrong("must have a different address for each worker", ", ".join(addresses))
    places = [(job, i) for job, i, _ in workers]
    place = (task.get("type"), task.get("index"))
    if place not in places:
        raise _wrong(f"must have a `task` of the cluster ({', '.join(f'{j} {i}' for j, i in places)})", f"{task}")
    return Cluster(addresses, places.index(place))


def _verify_address(address):
    host, colon, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise _wrong("must have addresses HOST:PORT", repr(address))


def _wrong(expected, got):
    return ValueError(f"distribute='multi_worker': TF_CONFIG {expected}, got {got}; for example {EXAMPLE}.")


def timeout():
    """Returns the seconds to wait for the other workers.

    Raises:
        ValueError: if ZOO_WORKERS_TIMEOUT is not a positive number.
    """
    text = os.environ.get("ZOO_WORKERS_TIMEOUT", "")
    try:
        seconds = float(text or TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ValueError(f"ZOO_WORKERS_TIMEOUT must be a positive number of seconds, got {text!r}.")
    return seconds


class Channel:
    """A connection between the chief and each other worker, for messages before the training.

    All workers must make the same calls in the same order. Where a worker ends, the others get an error.

    Args:
        cluster: `Cluster`.
        versions: dict of names and versions that must be the same on all workers.
    Raises:
        ValueError: if the workers' versions or addresses differ.
        TimeoutError: if a worker or the chief cannot be reached in time; the message names it.
        OSError: if this worker's port is in use.
    """

    def __init__(self, cluster, versions):
        self.cluster, self.seconds = cluster, timeout()
        self.peers = {}  # index of a worker -> socket; of a worker other than the chief only the chief's
        try:
            self._meet(versions)
        except BaseException:
            self.close()
            raise

    def _meet(self, versions):
        """Connects the workers and compares them."""
        greeting = {"index": self.cluster.index, "addresses": list(self.cluster.addresses), "versions": versions}
        deadline, error = time.monotonic() + self.seconds, ""
        with _listen(self.cluster.addresses[self.cluster.index]) as listener:
            if self.cluster.is_chief:
                error = _differences(greeting, self._accept(listener, deadline))
            else:
                self.peers[0] = self._connect(json.dumps(greeting), deadline)
        self.agree(error)

    def _accept(self, listener, deadline):
        """Waits for all other workers; returns what each says of itself, by index."""
        greetings, absent = {}, set(range(1, len(self.cluster.addresses)))
        while absent:
            names = ", ".join(f"{i} ({self.cluster.addresses[i]})" for i in sorted(absent))
            try:
                peer = _accept(listener, deadline, f"waits up to {self.seconds:g} s for worker {names}")
            except TimeoutError:
                raise TimeoutError(
                    f"worker {names} did not connect to the chief, {self.cluster.addresses[0]}, within "
                    f"{self.seconds:g} s. Start the same command there, and check that the chief's port can be reached."
                ) from None
            try:
                peer.settimeout(self.seconds)
                if _read(peer, len(GREETING)) != GREETING:
                    raise ValueError("another program")
                greeting = json.loads(_receive(peer))
                index = greeting["index"]
            except (OSError, ValueError, KeyError):  # another program that looks at the port
                peer.close()
                continue
            if index in self.peers:  # a worker that was started again
                self.peers[index].close()
            self.peers[index], greetings[index] = peer, greeting
            absent.discard(index)
        return greetings

    def _connect(self, greeting, deadline):
        host, _, port = self.cluster.addresses[0].rpartition(":")
        reason, noted, start = "", False, time.monotonic()
        while time.monotonic() < deadline:
            if not noted and time.monotonic() - start > QUIET:
                noted = True
                print(f"waits up to {self.seconds:g} s for the chief, {host}:{port}", file=sys.stderr, flush=True)
            try:
                peer = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
                peer.settimeout(self.seconds)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                peer.sendall(GREETING)
                _send(peer, greeting.encode())
                return peer
            except OSError as error:
                reason = str(error)
                time.sleep(RETRY)
        raise TimeoutError(
            f"the chief, {self.cluster.addresses[0]}, could not be reached within {self.seconds:g} s ({reason}). Start "
            "the same command there, and check that its port can be reached."
        )

    def agree(self, error):
        """Raises the chief's error on all workers, or none.

        Args:
            error: on the chief a message, or "" for none; ignored on other workers.
        """
        message = self.broadcast(error.encode()).decode()
        if message:
            raise ValueError(message)

    def broadcast(self, message):
        """Returns the chief's message, on all workers.

        Args:
            message: bytes; ignored on workers other than the chief.
        """
        if not self.cluster.is_chief:
            return self._exchange(0, _receive)
        for index in sorted(self.peers):
            self._exchange(index, _send, message)
        return message

    def gather(self, message):
        """Returns the messages of all workers in order on the chief, and None on the others.

        Args:
            message: bytes.
        """
        if not self.cluster.is_chief:
            return self._exchange(0, _send, message)
        return [message, *(self._exchange(index, _receive) for index in sorted(self.peers))]

    def _exchange(self, index, function, *arguments):
        try:
            return function(self.peers[index], *arguments)
        except OSError as error:
            name = f"{'the chief' if index == 0 else f'worker {index}'}, {self.cluster.addresses[index]},"
            waited = isinstance(error, TimeoutError)
            what = f"sent nothing for {self.seconds:g} s" if waited else "ended before the training began"
            raise ConnectionError(f"{name} {what}; its own messages say why. Start all workers again.") from error

    def close(self):
        """Closes the connections."""
        for peer in self.peers.values():
            peer.close()


def _listen(address):
    """Returns a socket that listens at this worker's port, which TensorFlow uses afterwards."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        return socket.create_server(("", int(port)), family=family, backlog=64)
    except OSError as error:
        raise OSError(
            error.errno, f"the port of this worker, {address}, cannot be used: {error.strerror}. Choose another one"
        ) from None


def _accept(listener, deadline, note):
    """Returns the next connection before the deadline; after `QUIET` seconds the note is shown on stderr."""
    quiet_end = time.monotonic() + QUIET
    if quiet_end < deadline:
        listener.settimeout(QUIET)
        try:
            return listener.accept()[0]
        except TimeoutError:
            print(note, file=sys.stderr, flush=True)
    listener.settimeout(max(deadline - time.monotonic(), 1e-3))
    return listener.accept()[0]


def _differences(chief, greetings):
    """Returns a message on the workers whose versions or addresses are not the chief's, or ""."""
    for index, greeting in sorted(greetings.items()):
        if greeting["addresses"] != chief["addresses"]:
            return (
                "distribute='multi_worker': TF_CONFIG must have the same addresses on all workers, got "
                f"{greeting['addresses']} on worker {index} and {chief['addresses']} on the chief."
            )
        versions = {name: (chief["versions"].get(name), v) for name, v in greeting["versions"].items()}
        unequal = [
            f"{name} {other} (chief {expected})" for name, (expected, other) in versions.items() if expected != other
        ]
        if unequal:
            return (
                "distribute='multi_worker': all workers must have the same versions, got on worker "
                f"{index} {', '.join(unequal)}; install the chief's."
            )
    return ""


def _send(peer, message):
    peer.sendall(struct.pack(">Q", len(message)) + message)


def _receive(peer):
    length = struct.unpack(">Q", _read(peer, 8))[0]
    if length > LARGEST_MESSAGE:
        raise ConnectionError(f"a message of {length} bytes")
    return _read(peer, length)


def _read(peer, length):
    parts = bytearray()
    while len(parts) < length:
        part = peer.recv(min(length - len(parts), 2**20))
        if not part:
            raise ConnectionError("the connection was closed")
        parts += part
    return bytes(parts)
