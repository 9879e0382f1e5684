import assert from "node:assert/strict";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { hostRequirements } from "../../sandbox/hosts/requirements";
import { InsideHost } from "../support/inside-host";
import { FIRST_RUN_MS, until } from "../support/sandbox";
import { Workbench } from "../support/workbench";
import { CleanUp } from "../support/clean-up";

describe("logging in on booted nodes", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const cleanUp = new CleanUp();
  let bench: Workbench;
  before(async function () {
    if (!hostRequirements().possible) this.skip();
    bench = cleanUp.use(new Workbench());
    bench.config({ "us-west-2": 2 });
    const up = await spot("up");
    assert.equal(up.code, 0, up.stderr + up.stdout);
  });
  after(() => cleanUp.run());

  const spot = (name: string, ...args: string[]) =>
    bench.start([name, "--sandbox", "--stack", bench.stack, "--config", bench.configFile, ...args], { plain: true })
      .done;
  /** Whether a process of the second node begins its command line so. */
  const runs = async (command: string): Promise<boolean> => {
    const node = (await bench.live()).instances.find(({ Tags }) =>
      Tags?.some(({ Key, Value }) => Key === "spot-deployer:node" && Value === "us-west-2-1"),
    );
    return new InsideHost(bench.home, node!.InstanceId!).run(`pgrep -f '^${command}'`).then(
      () => true,
      () => false,
    );
  };
  const pins = () => path.join(bench.home, "scratch/known_hosts");

  it("`ssh` runs a command with the pinned host key and answers with its exit code", async () => {
    const { stdout, code, stderr } = await spot("ssh", "us-west-2-0", "--", "echo $((6*7)); exit 5");
    assert.equal(code, 5, stderr);
    assert.equal(stdout, "42\n");
    const words = await spot("ssh", "us-west-2-0", "--", "echo", "two  words", "$HOME");
    assert.equal(words.stdout, "two  words $HOME\n", "words arrive as they were typed");
  });

  it("`ssh` refuses another host key than the pinned one", async () => {
    const [id] = readdirSync(pins());
    const node = (
      JSON.parse((await spot("list", "--json")).stdout) as { nodes: { name: string; instanceId: string }[] }
    ).nodes.find(({ instanceId }) => instanceId === id)!;
    writeFileSync(
      path.join(pins(), id!),
      `${id} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n`,
    );
    const { code, stdout, stderr } = await spot("ssh", node.name, "--", "echo in");
    assert.equal(code, 255, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /HOST IDENTIFICATION HAS CHANGED|Host key verification failed/);
  });

  it("`exec` runs on all nodes, names each line's node, and sums up where it failed", async () => {
    for (const id of readdirSync(pins())) writeFileSync(path.join(pins(), id), "");
    const broken = await spot("exec", "--", "true");
    assert.equal(broken.code, 4, "a key file that was changed by hand is no reason to trust anew");
    assert.match(broken.stdout, /0 of 2 nodes: exit code 0\.\n {2}us-west-2-\d: /);
  });

  it("`logs` shows the node's own files", async () => {
    rmSync(pins(), { recursive: true });
    const { stdout, code, stderr } = await spot("logs", "us-west-2-1");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /==> \/var\/log\/cloud-init-output\.log <==/);
    const some = await spot("exec", "--node", "us-west-2-1", "--json", "--", "hostname");
    const { nodes } = JSON.parse(some.stdout) as { nodes: { node: string; code: number }[] };
    assert.deepEqual(
      nodes.map(({ node, code: exit }) => [node, exit]),
      [["us-west-2-1", 0]],
    );
  });

  it("`logs -f` goes on with what is added, until Ctrl-C", async () => {
    const following = bench.start(
      ["logs", "us-west-2-1", "-f", "--sandbox", "--stack", bench.stack, "--config", bench.configFile],
      { plain: true },
    );
    await following.printed(/==> \/var\/log\/cloud-init-output\.log <==/);
    const word = "added-a-moment-ago";
    assert.equal(
      (await spot("exec", "--node", "us-west-2-1", "--", `echo ${word} | sudo tee -a /opt/startup.log`)).code,
      0,
    );
    await following.printed(new RegExp(word));
    for (const command of ["tail -n 20 -F", "journalctl -n 20 -f"]) await until(`${command} runs`, () => runs(command));
    // As a terminal does: everything in the foreground hears it, `ssh` too.
    process.kill(-following.child.pid!, "SIGINT");
    assert.notEqual((await following.done).code, 0);
    await until(
      "nothing goes on on the node",
      async () => !(await runs("tail -n 20 -F")) && !(await runs("journalctl -n 20 -f")),
    );
  });

  it("`exec` that is interrupted leaves nothing running on the node, as root or not", async () => {
    const running = bench.start(
      [
        "exec",
        "--sandbox",
        "--stack",
        bench.stack,
        "--config",
        bench.configFile,
        "--node",
        "us-west-2-1",
        "--",
        "sleep 7771 & sudo sleep 7772",
      ],
      { plain: true },
    );
    for (const command of ["sleep 7771", "sleep 7772"]) await until(`${command} runs`, () => runs(command));
    process.kill(running.child.pid!, "SIGINT");
    const { code, stderr } = await running.done;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /E_INTERRUPTED: the command was interrupted, and ended on every node on which it still ran/);
    for (const command of ["sleep 7771", "sleep 7772"])
      await until(`${command} ended`, async () => !(await runs(command)));
  });
});
