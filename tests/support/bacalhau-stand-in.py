#!/usr/bin/python3 -B
"""
Stands for Bacalhau in tests. `serve -c FILE --data-dir DIR` refuses a configuration that a compute node could not join
with, writes into its data directory, and answers the agent's own paths. `orchestrator` stands for a cluster of one
node, which runs beside it: it is there to be connected to, and lists the node.
"""

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

VERSION = "1.6.0"

ORCHESTRATOR_PORT = 4222
MEMBER = Path("/bacalhau_data/member.json")


def nodes() -> dict[str, object]:
    members = [json.loads(MEMBER.read_text())] if MEMBER.exists() else []
    connected = {"ConnectionState": {"Status": "CONNECTED"}}
    return {"Nodes": [{"Info": {"NodeType": "Compute", **member}, **connected} for member in members]}


# What the program is asked over HTTP, and what it answers.
ANSWERS = {
    "/api/v1/agent/alive": lambda: {"Status": "OK"},
    "/api/v1/agent/version": lambda: {"GitVersion": f"v{VERSION}"},
    "/api/v1/orchestrator/nodes": nodes,
}


class Agent(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = ANSWERS[self.path]() if self.path in ANSWERS else None
        self.send_response(404 if answer is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *values: object) -> None:
        """Silent."""


def serve(config_file: Path, data_directory: Path) -> None:
    config = json.loads(config_file.read_text())
    compute = config["Compute"]
    if compute["Enabled"] is not True or config["Orchestrator"]["Enabled"] is not False:
        sys.exit("not a compute node's configuration")
    if not all(address.startswith("nats://") for address in compute["Orchestrators"]) or not compute["Orchestrators"]:
        sys.exit("no orchestrator to join")
    if not compute["Auth"]["Token"] or not all(isinstance(value, str) for value in config["Labels"].values()):
        sys.exit("no token, or labels that are no texts")
    labels = config["Labels"]
    (data_directory / MEMBER.name).write_text(json.dumps({"NodeID": labels["instance_id"], "Labels": labels}))
    print(f"joining {', '.join(compute['Orchestrators'])}", flush=True)
    HTTPServer((config["API"]["Host"], config["API"]["Port"]), Agent).serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bacalhau")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("orchestrator")
    server = commands.add_parser("serve")
    server.add_argument("-c", "--config", type=Path, required=True)
    server.add_argument("--data-dir", type=Path, required=True)
    chosen = parser.parse_args()
    if chosen.command == "orchestrator":
        HTTPServer(("127.0.0.1", ORCHESTRATOR_PORT), Agent).serve_forever()
    else:
        serve(chosen.config, chosen.data_dir)


main()
