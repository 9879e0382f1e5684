"""Runs moto for one sandbox: on a free port of the loopback, for as long as its standard input stays open.

The first line of standard input is JSON: {"addresses": [...], "images": {region: [...]}}. The answer is one line of
JSON on standard output: {"port": N}. The end of standard input (the daemon died, however it died) ends this process.
"""

import gc

# Importing moto reads large tables; a quarter of the start was garbage collection that found nothing.
gc.disable()

import functools
import io
import json
import os
import sys
import threading
import traceback
from urllib.parse import parse_qs

from moto.core import responses
from moto.core.utils import get_service_model, method_names_from_class
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.datastructures import Headers
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

import books


class Dispatcher(DomainDispatcherApplication):
    """moto looks through its own folder twice for each request, one request at a time; a host's answer stays the same."""

    get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)


# By this a request finds its method: hundreds of attributes, looked through for each request.
books.replace(responses, "method_names_from_class", functools.cache(method_names_from_class))


class Handler(MotoRequestHandler):
    """Keeps connections: werkzeug's own closes each after one answer, and so starts a thread for every request.

    It can, for the gateway is the only client and tells the length of each body.
    """

    protocol_version = "HTTP/1.1"
    # An answer leaves in one piece and at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_request(self, *_args: object, **_kwargs: object) -> None:
        pass

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        environ["wsgi.input"] = io.BytesIO(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        try:
            chunks, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except Exception:
            # moto leaves its own faults to the server. They are for the daemon's log, and an answer all the same.
            traceback.print_exc()
            chunks, status, headers = [], "500 Internal Server Error", Headers()
        body = b"".join(chunks)
        code, _, reason = status.partition(" ")
        headers["Content-Length"] = str(len(body))
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def with_own_paths(app):  # type: ignore[no-untyped-def]
    """`/_ending?account=A&region=R&id=I&code=C&message=M`: the gateway is about to end an instance's host; `/_ended`: it is gone; `/_forgotten`: so is what is known of the instance."""
    steps = {"/_ending": books.begin_termination, "/_ended": books.finish_termination, "/_forgotten": books.forget}

    def serve(environ, start_response):  # type: ignore[no-untyped-def]
        step = steps.get(environ["PATH_INFO"])
        if step is None:
            return app(environ, start_response)
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        instance = books.ec2_backends[query["account"]][query["region"]].get_instance(query["id"])
        step(instance, (query["code"], query["message"]))
        start_response("204 No Content", [])
        return [b""]

    return serve


# What every command asks first. A model is read by the first request for its service, and again by each one that comes
# before that is done: a first look at all regions read EC2's, of 4 MB, many times over.
SERVICES = ("sts", "ec2")


def main() -> None:
    for service in SERVICES:
        get_service_model(service)
    gc.freeze()
    gc.enable()
    settings = json.loads(sys.stdin.readline())
    books.apply(settings["addresses"], settings["images"])
    app = with_own_paths(Dispatcher(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.port}), flush=True)
    while sys.stdin.read(4096):
        pass
    os._exit(0)


main()
