"""What the tests of instance/ share: a scratch root with an upload in it, a recording systemd, a metadata service."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

INSTANCE = Path(__file__).resolve().parents[2] / "instance"
SCRIPTS = INSTANCE / "scripts"
CLIENT = INSTANCE / "client"

sys.dont_write_bytecode = True
sys.path[:0] = [str(SCRIPTS), str(CLIENT)]

import layout  # noqa: E402
import node  # noqa: E402
from manifest import digest_of  # noqa: E402
from metadata import MetadataService  # noqa: E402
from systemd import Systemd  # noqa: E402

NODE = {"stack": "dev", "lineage": "0123abcd", "node": "us-west-2-0", "generation": "77"}
INSTANCE_ID = "i-0a1b2c3d4e5f67890"
METADATA = {
    "meta-data/instance-id": INSTANCE_ID,
    "meta-data/placement/region": "us-west-2",
    "meta-data/placement/availability-zone": "us-west-2a",
    "meta-data/instance-type": "t3.micro",
}


class ScratchTest(unittest.TestCase):
    """A test with a scratch root that is gone afterwards, and with what the scripts print kept aside."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = node.Root(Path(directory.name))
        self.printed = io.StringIO()
        for redirect in (contextlib.redirect_stdout, contextlib.redirect_stderr):
            context = redirect(self.printed)
            context.__enter__()
            self.addCleanup(context.__exit__, None, None, None)

    def write(self, absolute: str, content: str | bytes, mode: int = 0o644) -> Path:
        path = self.root.at(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def write_json(self, absolute: str, value: object) -> Path:
        return self.write(absolute, json.dumps(value))

    def read(self, absolute: str) -> str:
        return self.root.at(absolute).read_text(encoding="utf-8")

    def read_json(self, absolute: str) -> dict[str, object]:
        return node.read_json_object(self.root.at(absolute))

    def upload(self) -> Path:
        """A whole upload, as a client with the shipped instance/ makes it, on a node that cloud-init has prepared."""
        upload = self.root.at(layout.UPLOAD)
        for part in ("scripts", "config", "services"):
            shutil.copytree(INSTANCE / part, upload / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        shutil.copy(INSTANCE / "layout.json", upload)
        self.write_json(f"{layout.UPLOAD}/config/workloads.json", {"version": 1, "bacalhau": {"enabled": False}})
        self.write_json(layout.NODE, NODE)
        self.seal()
        return upload

    def seal(self) -> str:
        """Writes the manifest of what is in the upload now; returns the digest."""
        upload = self.root.at(layout.UPLOAD)
        entries: list[dict[str, object]] = []
        for path in sorted(upload.rglob("*")):
            name = str(path.relative_to(upload))
            mode = f"{path.lstat().st_mode & 0o7777:04o}"
            if name == "manifest.json":
                continue
            if path.is_symlink():
                entries.append({"path": name, "type": "link", "target": str(path.readlink())})
            elif path.is_dir():
                entries.append({"path": name, "type": "directory", "mode": mode})
            else:
                content = path.read_bytes()
                sha256 = hashlib.sha256(content).hexdigest()
                entries.append({"path": name, "type": "file", "mode": mode, "size": len(content), "sha256": sha256})
        digest = digest_of(entries)
        self.write_json(layout.MANIFEST, {"version": 1, "digest": digest, "entries": entries})
        return digest

    def records(self, directory: str) -> dict[str, str]:
        """Status by step, in the order of the records' positions."""
        read = [json.loads(path.read_text()) for path in self.root.at(directory).glob("*.json")]
        read.sort(key=lambda record: int(record["position"]))
        return {record["name"]: record["status"] for record in read}


class RecordingSystemd(Systemd):
    """Remembers what was asked, enables in memory, complains when told to."""

    def __init__(self, root: node.Root) -> None:
        super().__init__(root)
        self.calls: list[str] = []
        self.complaints: list[str] = []
        self.refuse_to_enable: set[str] = set()
        self.enabled: set[str] = set()

    def verify(self, units: Sequence[Path]) -> list[str]:
        self.calls.append("verify")
        return self.complaints

    def reload(self) -> None:
        self.calls.append("reload")

    def enable(self, names: Sequence[str]) -> None:
        self.calls.append("enable")
        self.enabled |= set(names) - self.refuse_to_enable

    def state_of_file(self, name: str) -> str:
        return "enabled" if name in self.enabled else "disabled"

    def start_detached(self, name: str) -> None:
        self.calls.append(f"start {name}")

    def stop(self, name: str, seconds: float) -> None:
        self.calls.append(f"stop {name}")


Answer = tuple[int, "str | bytes"]


@contextlib.contextmanager
def http_server(answer: Callable[[str, str, dict[str, str]], Answer]) -> Iterator[str]:
    """Serves `answer(method, path, headers)` on loopback; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, body = answer(self.command, self.path, headers)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else body.encode())

        do_PUT = do_GET

        def log_message(self, format: str, *values: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def metadata_answers(values: dict[str, str], token: str = "token") -> Callable[[str, str, dict[str, str]], Answer]:
    """A metadata service that requires a token, as IMDSv2 does."""

    def answer(method: str, path: str, headers: dict[str, str]) -> Answer:
        if method == "PUT":
            return (200, token) if "x-aws-ec2-metadata-token-ttl-seconds" in headers else (400, "")
        if headers.get("x-aws-ec2-metadata-token") != token:
            return 401, "<html>Unauthorized</html>"
        value = values.get(path.removeprefix("/latest/"))
        return (404, "<html>Not Found</html>") if value is None else (200, value)

    return answer


@contextlib.contextmanager
def metadata_service(values: dict[str, str]) -> Iterator[MetadataService]:
    with http_server(metadata_answers(values)) as address:
        yield MetadataService(address)
