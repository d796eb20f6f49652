"""An S3 server of this machine alone, and credentials that nobody else has."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.request import Request, urlopen

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTKEYOFNOBODY",
    "AWS_SECRET_ACCESS_KEY": "test/secret+that=must-never-be-seen",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def use_test_credentials() -> None:
    """Before Ray starts: its workers inherit them. Nobody's own account is ever talked to."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(CREDENTIALS)


@dataclass(frozen=True)
class S3:
    """A running server."""

    endpoint: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def options(self) -> str:
        """What leads pyarrow to it."""
        return f"?scheme=http&endpoint_override={self.endpoint}"

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"bucket-{next(self._numbers)}"
        urlopen(Request(f"http://{self.endpoint}/{name}", method="PUT")).close()
        return name

    def prefix(self) -> str:
        """The URI of a prefix in a new bucket."""
        return f"s3://{self.bucket()}/some/prefix{self.options}"


@contextmanager
def s3_server() -> Iterator[S3]:
    """Moto's server on a free port of the loopback address."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield S3("{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()


def check_no_secret(*texts: bytes) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert not any(CREDENTIALS[name].encode() in text for text in texts)
