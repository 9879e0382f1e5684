import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathsOf } from "../../../../automation/target/paths";
import { chooseProvider, providerKindIn, providerVersion } from "../../../../automation/target/provider";
import { isSpotError } from "../../../../fleet/errors";
import type { Question } from "../../../../fleet/report/events";

describe("the provider of a sandbox", () => {
  const PROVIDER_VERSION = providerVersion();
  const realFetch = globalThis.fetch;
  let dir: string;
  let asked: Question[];
  let fetched: string[];
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-provider-"));
    [asked, fetched] = [[], []];
  });
  afterEach(() => {
    globalThis.fetch = realFetch;
    rmSync(dir, { recursive: true, force: true });
  });

  const folder = (version = PROVIDER_VERSION): string => path.join(dir, `.pulumi/plugins/resource-aws-v${version}`);
  const install = (at = folder()): void => {
    mkdirSync(at, { recursive: true });
    writeFileSync(path.join(at, "pulumi-resource-aws"), "");
  };

  /** What answers instead of the network. */
  const network = (answer: () => Response): void => {
    globalThis.fetch = (url) => {
      fetched.push(url as string);
      return Promise.resolve().then(answer);
    };
  };
  const archive = () => new Response(null, { headers: { "content-length": "190000000" } });

  /** A CLI that installs the plugin, or says why it cannot. */
  const cli = (script: string): string => {
    const command = path.join(dir, "bin/pulumi");
    mkdirSync(path.dirname(command), { recursive: true });
    writeFileSync(command, `#!/bin/sh\n[ "$1" = version ] && echo v3.255.0 && exit\n${script}\n`);
    writeFileSync(path.join(dir, "bin/pulumi-language-nodejs"), "");
    for (const name of ["pulumi", "pulumi-language-nodejs"]) chmodSync(path.join(dir, "bin", name), 0o755);
    return command;
  };

  const told: string[] = [];
  const choose = (env: NodeJS.ProcessEnv = {}, person?: boolean) => {
    const all = { HOME: dir, PATH: "/usr/bin:/bin", ...env };
    return chooseProvider({
      env: all,
      paths: pathsOf(all),
      report: () => undefined,
      reporter: {
        emit: (event) => void told.push(JSON.stringify(event)),
        confirm: (question) => (asked.push(question), Promise.resolve(person === true)),
        isAttended: () => person !== undefined,
      },
    });
  };
  const official = (): object => ({ kind: "official", version: PROVIDER_VERSION, folder: folder() });
  const standIn = { kind: "stand-in", version: PROVIDER_VERSION };

  it("is the official one where the user has it, whole and of the SDK's version", async () => {
    assert.deepEqual(await choose(), standIn);
    install(folder("7.47.0"));
    assert.deepEqual(await choose(), standIn);
    install();
    assert.deepEqual(await choose(), official());
    writeFileSync(`${folder()}.partial`, "");
    assert.deepEqual(await choose(), standIn);
    rmSync(`${folder()}.partial`);
    const other = path.join(dir, "elsewhere");
    assert.deepEqual(await choose({ PULUMI_HOME: other }), standIn);
    const inShell = { PULUMI_HOME: other, SPOT_SANDBOX_ENDPOINT: "http://127.0.0.1:1" };
    assert.deepEqual(await choose(inShell), official(), "in a shell of `spot env` the variable is the sandbox's");
    install(path.join(other, `plugins/resource-aws-v${PROVIDER_VERSION}`));
    assert.equal((await choose({ PULUMI_HOME: other })).kind, "official");
  });

  it("is the one that a setting forces", async () => {
    install();
    assert.deepEqual(await choose({ SPOT_SANDBOX_PROVIDER: "stand-in" }), standIn);
    assert.deepEqual(await choose({ SPOT_SANDBOX_PROVIDER: "official" }), official());
    assert.equal(providerKindIn({ SPOT_SANDBOX_PROVIDER: "" }), undefined, "empty is unset");
    assert.throws(
      () => providerKindIn({ SPOT_SANDBOX_PROVIDER: "real" }),
      (error) => isSpotError(error) && error.code === "E_USAGE" && /official or stand-in/.test(error.message),
    );
  });

  it("asks nobody and no network where nobody sits at a terminal", async () => {
    network(archive);
    assert.deepEqual(await choose(), standIn);
    const PULUMI_CLI = cli("exit 1");
    await assert.rejects(
      choose({ SPOT_SANDBOX_PROVIDER: "official", PULUMI_CLI }),
      (error) =>
        isSpotError(error) &&
        error.code === "E_PROVIDER" &&
        error.next.includes(`${PULUMI_CLI} plugin install resource aws v${PROVIDER_VERSION}`),
    );
    assert.deepEqual(await choose({ CI: "true" }, true), standIn);
    assert.deepEqual([asked, fetched], [[], []]);
  });

  it("is offered to a person once, with its size, and not where it cannot be fetched", async () => {
    network(() => {
      throw new TypeError("fetch failed");
    });
    assert.deepEqual(await choose({}, true), standIn);
    network(() => new Response(null, { status: 403 }));
    assert.deepEqual(await choose({}, true), standIn);
    assert.equal(asked.length, 0, "offline, or not there");
    network(archive);
    assert.deepEqual(await choose({}, false), standIn);
    const [question] = asked;
    const plugins = path.dirname(folder());
    assert.ok(
      question?.message.endsWith(
        `${PROVIDER_VERSION} instead of a stand-in for it. Download it into ${plugins}, 190 MB?`,
      ),
    );
    assert.deepEqual([question?.answeredBy, question?.unattended], ["nothing", false], "--yes is no answer to it");
    assert.match(
      fetched.at(-1) ?? "",
      /^https:\/\/get\.pulumi\.com\/.*pulumi-resource-aws-v7\.\d+\.\d+-\w+-\w+\.tar\.gz$/,
    );
    assert.deepEqual(await choose({}, true), standIn);
    assert.equal(asked.length, 1);
  });

  it("is downloaded where a person says yes; where that fails the stand-in takes its place, with the reason", async () => {
    network(archive);
    const broken = cli("echo 'no space left on device' >&2; exit 255");
    assert.deepEqual(await choose({ PULUMI_CLI: broken }, true), standIn);
    assert.match(told.join(), /could not be downloaded: .*no space left on device.*; the stand-in takes its place/);
    const PULUMI_CLI = cli(`[ "$*" = "plugin install resource aws v${PROVIDER_VERSION}" ] || exit 2
mkdir -p '${folder()}' && : > '${folder()}/pulumi-resource-aws'`);
    assert.deepEqual(await choose({ PULUMI_CLI }, true), official());
    assert.ok(existsSync(folder()));
  });
});
