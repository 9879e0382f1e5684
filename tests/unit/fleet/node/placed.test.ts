import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { checks } from "../../../../fleet/checks";
import { paths, placed } from "../../../../fleet/layout";
import { manifestOf, type PayloadEntry } from "../../../../fleet/node/payload";
import { copiesOf, rowAt } from "../../../../fleet/node/placed";
import { renderedBacalhau, withoutTokens } from "../../../../fleet/node/rendered";
import { filesWritten, readUserDataTemplate, renderUserData } from "../../../../fleet/node/user-data";
import { packageRoot } from "../../../../project/package-root";

const sha = (letter: string): string => letter.repeat(64);
const file = (name: string, letter: string): PayloadEntry => ({
  path: name,
  type: "file",
  mode: "0644",
  size: 1,
  sha256: sha(letter),
});

describe("what is put on a node", () => {
  it("has for each file a check of its mode and owner, and one of its content or none that could be", () => {
    const ids = checks.map(({ id }) => id);
    for (const { place, check, content } of placed.files) {
      assert.ok(Object.hasOwn(paths, place), place);
      assert.ok(ids.includes(check), `${place}: no check ${check}`);
      if (content !== null && !content.includes("/")) assert.ok(ids.includes(content), `${place}: no check ${content}`);
    }
  });

  it("is copied from the payload with its content, through links as well", () => {
    const manifest = manifestOf([
      file("config/workloads.json", "a"),
      file("config/bacalhau-token", "b"),
      file("files/on-interruption.d/.hidden", "c"),
      file("files/shared/hook", "d"),
      { path: "files/on-interruption.d/10-link", type: "link", target: "../shared/hook" },
      { path: "files/on-interruption.d/20-dead", type: "link", target: "gone" },
      { path: "files/on-interruption.d/deeper", type: "directory", mode: "0755" },
      file("files/on-interruption.d/deeper/x", "e"),
      file("services/sensor.service", "f"),
      file("files/systemd/mine.service", "1"),
      file("files/systemd/README", "2"),
    ]);
    const shown = (check: string) => copiesOf(manifest, check).map((one) => [one.path, one.mode, one.sha256?.[0]]);
    assert.deepEqual(shown("E5"), [
      ["/etc/spot-deployer/workloads.json", "644", "a"],
      ["/etc/spot-deployer/bacalhau-token", "600", "b"],
      ["/etc/spot-deployer/on-interruption.d/.hidden", "755", "c"],
      ["/etc/spot-deployer/on-interruption.d/10-link", "755", "d"],
    ]);
    assert.deepEqual(shown("F1"), [
      ["/etc/systemd/system/sensor.service", "644", "f"],
      ["/etc/systemd/system/mine.service", "644", "1"],
    ]);
  });

  it("is copied from a folder that is a link, too", () => {
    const manifest = manifestOf([
      { path: "files/on-interruption.d", type: "link", target: "hooks" },
      file("files/hooks/10-save", "a"),
    ]);
    assert.deepEqual(
      copiesOf(manifest, "E5").map((one) => one.path),
      ["/etc/spot-deployer/on-interruption.d/10-save"],
    );
  });

  it("has a row for a file of the contract and for those in a folder that is meant whole", () => {
    assert.equal(rowAt(paths.identity)?.check, "G1");
    assert.equal(rowAt(`${paths.deploymentSteps}/units.json`)?.place, "deploymentSteps");
    assert.equal(rowAt(`${paths.hooks}/.any`)?.place, "hooks");
    assert.equal(rowAt(`${paths.state}/other`), undefined);
  });
});

describe("the files of the user data", () => {
  const text = readFileSync(path.join(packageRoot(), "instance/cloud-init/user-data.yaml"), "utf8");
  const node = { stack: "dev", lineage: "l", node: "us-west-2-0", generation: "g" };
  const rendered = renderUserData(readUserDataTemplate(text), {
    username: "ubuntu",
    sshPublicKeys: ["ssh-ed25519 A"],
    packages: [],
    node,
    hostKeyToken: "70ken",
  });

  it("are all that it writes, with content and mode", () => {
    assert.deepEqual(
      filesWritten(rendered).map((one) => [one.path, one.mode]),
      [
        ["/etc/ssh/sshd_config.d/00-spot-deployer.conf", "644"],
        [paths.node, "644"],
        ["/etc/systemd/system/spot-deploy.service", "644"],
      ],
    );
    assert.equal(filesWritten(rendered)[1]?.content, `${JSON.stringify(node)}\n`);
    assert.deepEqual(filesWritten('write_files:\n  - {path: /a, content: x, permissions: "0600"}\n'), [
      { path: "/a", content: "x", mode: "600" },
    ]);
  });

  it("are looked at by C7, and so is all that bootcmd writes", () => {
    const command = checks
      .find(({ id }) => id === "C7")
      ?.command({ userDataFiles: filesWritten(rendered) } as never) as string;
    const bootcmd = text.slice(text.indexOf("bootcmd:"), text.indexOf("write_files:"));
    const written = [...bootcmd.matchAll(/"(\/etc\/[\w/.-]+)"/g)]
      .map(([, name]) => name)
      .filter((name) => name !== paths.settings);
    assert.ok(written.length >= 2, bootcmd);
    for (const name of [...written, ...filesWritten(rendered).map((one) => one.path)])
      assert.ok(command.includes(` ${name ?? ""} `), `${name ?? ""} is not looked at`);
  });
});

describe("the configuration of Bacalhau", () => {
  const template = JSON.parse(
    readFileSync(path.join(packageRoot(), "instance/config/bacalhau.json"), "utf8"),
  ) as object;
  const own = { instance_id: "i-1", region: "us-west-2", sensor_id: "SENSOR_AZ_PHO_5441" };

  for (const { token, allowed } of [
    { token: undefined, allowed: [] },
    { token: "s3crét", allowed: ["/data/**"] },
  ])
    it(`is what the node renders, ${token === undefined ? "without" : "with"} a token`, () => {
      const labels = { team: "a", region: "mine", "10": "x", Token: "label" };
      const settings = { orchestrators: ["nats://h:4222"], labels, allowed_paths: allowed };
      const program = [
        "import json, sys, types; sys.path.insert(0, sys.argv[1]); from workloads import render_bacalhau",
        "template, settings, own, token = json.load(sys.stdin)",
        "print(json.dumps(render_bacalhau(template, types.SimpleNamespace(**settings), own, token)))",
      ].join("\n");
      const onNode = execFileSync("python3", ["-B", "-c", program, path.join(packageRoot(), "instance/scripts")], {
        input: JSON.stringify([template, settings, own, token ?? null]),
        encoding: "utf8",
      });
      assert.deepEqual(
        renderedBacalhau({
          template: { ...template },
          orchestrators: settings.orchestrators,
          allowedPaths: allowed,
          labels,
          ownLabels: own,
          ...(token === undefined ? {} : { token }),
        }),
        withoutTokens(JSON.parse(onNode)),
      );
    });

  it("tells no token", () => {
    assert.doesNotMatch(JSON.stringify(withoutTokens({ a: [{ Token: "s3cret" }] })), /s3cret/);
    assert.deepEqual(withoutTokens({ Token: 1 }), { Token: 1 });
  });
});
