"""What every script of a node shares: paths below a root, atomic files, time, the boot id, words to systemd."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from datetime import datetime, timezone
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Root:
    """The directory that stands for `/`: the real one on a node, a scratch directory elsewhere."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()

    @property
    def is_real(self) -> bool:
        return self.directory == Path("/")

    def at(self, absolute: str) -> Path:
        return self.directory / absolute.lstrip("/")


def default_root() -> Path:
    return Path(os.environ.get("SPOT_ROOT", "/"))


def utc_now() -> str:
    """The time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def write_atomically(path: Path, content: bytes, mode: int) -> None:
    """Replaces a file in one step: a reader sees the old content or the new, and so does the next boot."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def json_bytes(value: object) -> bytes:
    """JSON as files of a node hold it: the same value gives the same bytes."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def write_json(path: Path, value: object, mode: int = 0o644) -> None:
    write_atomically(path, json_bytes(value), mode)


def read_json_object(path: Path) -> dict[str, object]:
    """Raises ValueError, with the file's name, for anything but a JSON object; OSError when it cannot be read."""
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not a JSON object")
    return value


def notify_systemd(state: str) -> None:
    """Tells the service manager our state (sd_notify); without one, nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for Linux's abstract namespace.
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), target)
