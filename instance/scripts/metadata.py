"""The instance metadata service, version 2 only (token first). An answer is judged; nothing is ever assumed."""

from __future__ import annotations

import os
import re
import time
import urllib.error
import urllib.request
from http.client import HTTPException

ENDPOINT = "http://169.254.169.254"
TOKEN_SECONDS = 21600
TIMEOUT_SECONDS = 2.0
MAX_BYTES = 65536
INSTANCE_ID = re.compile(r"i-[0-9a-f]+")


class MetadataError(Exception):
    """The service is out of reach, refuses, or answers nonsense."""


class MetadataService:
    """`endpoint` defaults to AWS_EC2_METADATA_SERVICE_ENDPOINT, as in AWS's own tools, then to the real address."""

    def __init__(self, endpoint: str | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        self._endpoint = (endpoint or os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ENDPOINT).rstrip("/")
        self._timeout = timeout
        self._token: str | None = None
        # The service is on the link; a proxy would ask on behalf of another machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> str | None:
        """The text below /latest/; None for 404. Raises MetadataError."""
        if self._token is None:
            self._token = self._fetch_token()
        status, body = self._request("GET", path, {"X-aws-ec2-metadata-token": self._token})
        if status == 401:
            # A token ends with its time, or when the instance was stopped and started: one more try with a new one.
            self._token = self._fetch_token()
            status, body = self._request("GET", path, {"X-aws-ec2-metadata-token": self._token})
        if status == 404:
            return None
        if status != 200:
            raise MetadataError(f"{path}: the metadata service answered {status}")
        return body.strip()

    def require(self, path: str) -> str:
        """As `get`, but 404 and an empty answer are errors too."""
        value = self.get(path)
        if not value:
            raise MetadataError(f"{path}: the metadata service has no value")
        return value

    def instance_id(self) -> str:
        value = self.require("meta-data/instance-id")
        if not INSTANCE_ID.fullmatch(value):
            raise MetadataError(f"not an instance id: {value[:80]!r}")
        return value

    def _fetch_token(self) -> str:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        status, body = self._request("PUT", "api/token", headers)
        token = body.strip()
        # A token goes into a header: printable ASCII without spaces, else the answer came from something else.
        if status != 200 or not re.fullmatch(r"[!-~]+", token):
            raise MetadataError(f"no session token: the metadata service answered {status}")
        return token

    def _request(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(f"{self._endpoint}/latest/{path}", headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return answer.status, answer.read(MAX_BYTES).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""
        except (OSError, HTTPException) as error:
            raise MetadataError(f"{path}: the metadata service is out of reach: {error}") from error


def wait_for_instance_id(service: MetadataService, seconds: float) -> str:
    """The instance id as soon as the service gives a valid one; the last reason as MetadataError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return service.instance_id()
        except MetadataError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
