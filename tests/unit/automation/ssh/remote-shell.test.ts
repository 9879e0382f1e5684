import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { killedWithStdin } from "../../../../automation/ssh/remote-shell";
import { markOf } from "../../../../system/process";
import { until } from "../../../support/sandbox";
import { descendants, kill } from "../../../support/workbench";

describe("a command that is tied to its input", () => {
  const started: ChildProcess[] = [];
  /** What may outlive the one that started it. */
  const seen = new Set<number>();
  afterEach(() => {
    for (const { pid } of started.splice(0)) for (const id of [...descendants(pid!), pid!]) kill(id);
    seen.forEach(kill);
    seen.clear();
  });

  /** As sshd does it: by a shell, with pipes. */
  function start(command: string) {
    const child = spawn("/bin/sh", ["-c", killedWithStdin(command)], { stdio: ["pipe", "pipe", "pipe"] });
    started.push(child);
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
    return { child, output, closed: once(child, "close") };
  }

  it("gives its output and its exit code, and has nothing to read", async () => {
    const { output, closed } = start("cat; echo out; echo 'it'\"'\"'s' >&2; exit 7");
    assert.deepEqual(await closed, [7, null]);
    assert.deepEqual(output, { stdout: "out\n", stderr: "it's\n" });
  });

  it("ends with all that it started when its input ends", async () => {
    const { child, output, closed } = start("sleep 1000 & sh -c 'echo $$; exec sleep 1000'");
    await until("it runs", () => output.stdout !== "");
    const running = descendants(child.pid!);
    running.forEach((pid) => seen.add(pid));
    assert.ok(running.includes(Number(output.stdout)));
    child.stdin.end();
    await closed;
    await until("all of it ended", () => running.every((pid) => markOf(pid) === undefined));
  });

  it("ends nothing of what it left behind on purpose when it is over", async () => {
    const { output, closed, child } = start("setsid sh -c 'echo $$; exec sleep 1000' >&2 & sleep 0.1");
    await until("it runs", () => output.stderr !== "");
    child.stdout.destroy();
    await once(child, "exit");
    const left = Number(output.stderr);
    seen.add(left);
    assert.ok(markOf(left));
    kill(left);
    await closed;
  });
});
