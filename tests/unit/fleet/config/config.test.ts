import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import { configKeys, MAX_NODES, parseConfig } from "../../../../fleet/config";
import type { FleetConfig } from "../../../../fleet/config";
import { legacyAwsKeys } from "../../../../fleet/config/legacy";
import { packageRoot } from "../../../../project/package-root";

const ONE_REGION = "regions:\n  - us-west-2: {}\n";
/** The least that an enabled Bacalhau needs. */
const BACALHAU = `bacalhau:\n  version: 1.6.0\n  download: {amd64: {url: "https://h/b", sha256: "${"0a".repeat(32)}"}}`;
const root = packageRoot();

/** Problems as `line:column message`. */
function problemsOf(text: string): string[] {
  const { problems } = parseConfig(text, "config.yaml");
  return (problems ?? []).map(({ location, message }) => `${location?.line}:${location?.column} ${message}`);
}

function configOf(text: string): FleetConfig {
  const { config } = parseConfig(text, "config.yaml");
  assert.ok(config, problemsOf(text).join("\n"));
  return config;
}

function warningsOf(text: string): string[] {
  return parseConfig(text, "config.yaml").warnings.map(
    ({ location, message }) => `${location.line}:${location.column} ${message}`,
  );
}

/** Asserts that the text has exactly one problem, at that place, whose words match. */
function onlyProblem(text: string, place: string, words: RegExp): void {
  const problems = problemsOf(text);
  assert.equal(problems.length, 1, problems.join("\n") || "no problem was found");
  assert.match(problems[0] as string, new RegExp(`^${place} `));
  assert.match(problems[0] as string, words);
}

const counts = (config: FleetConfig): Record<string, number> =>
  Object.fromEntries(config.regions.map(({ name, count }) => [name, count]));

describe("config.yaml", () => {
  describe("the predecessor's file", () => {
    const text = `
aws:
  total_instances: 3
  username: ubuntu
  ssh_key_name: my-key
  private_ssh_key_path: ~/.ssh/id_ed25519
  public_ssh_key_path: ~/.ssh/id_ed25519.pub
  files_directory: files
  scripts_directory: instance/scripts
  spot_price_limit: 0.05
  instance_storage_gb: 20
  security_groups: [sg-123, web]
  iam_instance_profile: name
  tags: {Project: x}
regions:
  - us-west-2:
      machine_type: t3.medium
      image: auto
      instances_per_region: 1
  - eu-west-1:
      machine_type: t3.small
      image: ami-0abcdef1234567890
`;

    it("is read as it stands, without a warning", () => {
      assert.deepEqual(warningsOf(text), []);
      assert.deepEqual(configOf(text), {
        stack: undefined,
        backend: undefined,
        bacalhau: undefined,
        checks: [],
        username: "ubuntu",
        network: "default",
        ssh: {
          allow: ["auto"],
          keyName: "my-key",
          privateKeyPath: "~/.ssh/id_ed25519",
          publicKeyPath: "~/.ssh/id_ed25519.pub",
        },
        filesDirectory: "files",
        scriptsDirectory: "instance/scripts",
        markets: ["spot"],
        spotPriceLimit: 0.05,
        allowOtherRegions: false,
        minHealthy: undefined,
        storageGb: 20,
        securityGroups: ["sg-123", "web"],
        cpuCredits: "standard",
        instanceProfile: "name",
        tags: { Project: "x" },
        packages: [],
        maxUnavailable: "25%",
        regions: [
          { name: "us-west-2", machineTypes: ["t3.medium"], image: "auto", count: 1 },
          { name: "eu-west-1", machineTypes: ["t3.small"], image: "ami-0abcdef1234567890", count: 2 },
        ],
      });
    });

    it("may hold keys that mean nothing here: each is a warning with what stands in its place", () => {
      const old = Object.keys(legacyAwsKeys)
        .map((key) => `  ${key}: x\n`)
        .join("");
      const warnings = warningsOf(`aws:\n${old}${ONE_REGION}`);
      assert.equal(warnings.length, Object.keys(legacyAwsKeys).length);
      for (const [i, [key, instead]] of Object.entries(legacyAwsKeys).entries()) {
        assert.equal(warnings[i], `${i + 2}:3 aws.${key} has no effect: ${instead}`);
      }
    });
  });

  describe("defaults", () => {
    it("need nothing but a region, whose settings may be left out", () => {
      const config = configOf("regions:\n  - us-west-2:\n");
      assert.deepEqual(config.regions, [{ name: "us-west-2", machineTypes: ["t3.medium"], image: "auto", count: 1 }]);
      assert.equal(config.network, "create");
      assert.deepEqual(config.ssh, {
        allow: ["auto"],
        keyName: undefined,
        privateKeyPath: undefined,
        publicKeyPath: undefined,
      });
    });

    it("read a list or map whose entries are all commented out as empty", () => {
      const config = configOf(
        `aws:\n  tags:\n    # A: b\n  security_groups:\nssh:\n  allow:\npackages:\n${ONE_REGION}`,
      );
      assert.deepEqual([config.tags, config.securityGroups, config.ssh.allow, config.packages], [{}, [], ["auto"], []]);
    });

    it("complete a key pair of which one half is named", () => {
      assert.equal(configOf(`aws: {private_ssh_key_path: /k/id}\n${ONE_REGION}`).ssh.publicKeyPath, "/k/id.pub");
      assert.equal(configOf(`aws: {public_ssh_key_path: /k/id.pub}\n${ONE_REGION}`).ssh.privateKeyPath, "/k/id");
      onlyProblem(`aws: {public_ssh_key_path: /k/id.txt}\n${ONE_REGION}`, "1:28", /private_ssh_key_path is missing/);
    });

    it("ask for no more healthy nodes than there are", () => {
      onlyProblem(
        `min_healthy: 5\naws: {total_instances: 3}\n${ONE_REGION}`,
        "1:14",
        /min_healthy is 5, but the fleet has 3 nodes; give a number up to 3/,
      );
      for (const min of ["3", "100%"]) configOf(`min_healthy: ${min}\naws: {total_instances: 3}\n${ONE_REGION}`);
    });
  });

  describe("every key", () => {
    /** A value for each key, and what of the configuration it changes. */
    const effects: Record<string, readonly [text: string, seen: (config: FleetConfig) => unknown, expected: unknown]> =
      {
        stack: [`stack: a/b/c\n${ONE_REGION}`, (c) => c.stack, "a/b/c"],
        backend: [`backend: file:///s\n${ONE_REGION}`, (c) => c.backend, "file:///s"],
        network: [`network: vpc-0a1b2c3d\n${ONE_REGION}`, (c) => c.network, "vpc-0a1b2c3d"],
        ssh: [`ssh: {allow: [10.0.0.0/8]}\n${ONE_REGION}`, (c) => c.ssh.allow, ["10.0.0.0/8"]],
        "ssh.allow": [`ssh: {allow: ["2001:DB8:0::/48"]}\n${ONE_REGION}`, (c) => c.ssh.allow, ["2001:db8::/48"]],
        packages: [`packages: [jq, g++, jq]\n${ONE_REGION}`, (c) => c.packages, ["jq", "g++"]],
        checks: [`checks: [{name: a, tcp: "h:1"}]\n${ONE_REGION}`, (c) => c.checks.map(({ name }) => name), ["a"]],
        ...Object.fromEntries(
          Object.entries<
            [text: string, seen: (check: FleetConfig["checks"][number] | undefined) => unknown, expected: unknown]
          >({
            "checks.name": ["name: a-1, tcp: 'h:1'", (c) => c?.name, "a-1"],
            "checks.command": ["name: a, command: 'true'", (c) => c?.subject, { kind: "command", command: "true" }],
            "checks.http": [
              "name: a, http: 'http://h/x'",
              (c) => c?.subject,
              { kind: "http", url: "http://h/x", status: 200 },
            ],
            "checks.tcp": ["name: a, tcp: 'h:1'", (c) => c?.subject, { kind: "tcp", host: "h", port: 1 }],
            "checks.file": ["name: a, file: /f", (c) => c?.subject, { kind: "file", path: "/f" }],
            "checks.service": ["name: a, service: b.timer", (c) => c?.subject, { kind: "service", unit: "b.timer" }],
            "checks.contains": [
              "name: a, file: /f, contains: x",
              (c) => c?.subject,
              { kind: "file", path: "/f", contains: "x" },
            ],
            "checks.status": [
              "name: a, http: 'http://h', status: 204",
              (c) => c?.subject,
              { kind: "http", url: "http://h", status: 204 },
            ],
            "checks.deadline": ["name: a, file: /f, deadline: 3", (c) => c?.deadlineSeconds, 3],
            "checks.retry": ["name: a, file: /f, retry: 60", (c) => c?.retrySeconds, 60],
            "checks.severity": ["name: a, file: /f, severity: warn", (c) => c?.severity, "warn"],
          }).map(([key, [text, seen, expected]]) => [
            key,
            [`checks: [{${text}}]\n${ONE_REGION}`, (c: FleetConfig) => seen(c.checks[0]), expected] as const,
          ]),
        ),
        max_unavailable: [`max_unavailable: 3\n${ONE_REGION}`, (c) => c.maxUnavailable, 3],
        ...Object.fromEntries(
          Object.entries<[text: string, seen: (config: FleetConfig["bacalhau"]) => unknown, expected: unknown]>({
            bacalhau: [BACALHAU, (b) => b?.version, "1.6.0"],
            "bacalhau.enabled": [`${BACALHAU}\n  enabled: false`, (b) => b, undefined],
            "bacalhau.version": [BACALHAU.replace("1.6.0", "v1.7.0-rc1"), (b) => b?.version, "1.7.0-rc1"],
            "bacalhau.download": [
              BACALHAU,
              (b) => b?.program,
              { downloads: { amd64: { url: "https://h/b", sha256: "0a".repeat(32) } } },
            ],
            "download.amd64": [BACALHAU, (b) => Object.keys(b?.program.downloads ?? {}), ["amd64"]],
            "download.arm64": [
              BACALHAU.replace("amd64", "arm64"),
              (b) => Object.keys(b?.program.downloads ?? {}),
              ["arm64"],
            ],
            "program.url": [
              BACALHAU.replace("https://h/b", "http://i/c"),
              (b) => b?.program.downloads?.amd64?.url,
              "http://i/c",
            ],
            "program.sha256": [
              BACALHAU.replaceAll("0a", "0B"),
              (b) => b?.program.downloads?.amd64?.sha256,
              "0b".repeat(32),
            ],
            "bacalhau.binary": ["bacalhau:\n  version: 1.6.0\n  binary: ./b", (b) => b?.program, { binary: "./b" }],
            "bacalhau.orchestrators": [
              `${BACALHAU}\n  orchestrators: [nats://h:4222]`,
              (b) => b?.orchestrators,
              ["nats://h:4222"],
            ],
            "bacalhau.token_file": [`${BACALHAU}\n  token_file: t`, (b) => b?.tokenFile, "t"],
            "bacalhau.labels": [`${BACALHAU}\n  labels: {a: b}`, (b) => b?.labels, { a: "b" }],
            "bacalhau.allowed_paths": [`${BACALHAU}\n  allowed_paths: ["/d:rw"]`, (b) => b?.allowedPaths, ["/d:rw"]],
            "bacalhau.api": [`${BACALHAU}\n  api: http://h:1234/`, (b) => b?.api, "http://h:1234"],
          }).map(([key, [text, seen, expected]]) => [
            key,
            [`${text}\n${ONE_REGION}`, (c: FleetConfig) => seen(c.bacalhau), expected] as const,
          ]),
        ),
        market: [`market: spot-then-on-demand\n${ONE_REGION}`, (c) => c.markets, ["spot", "on-demand"]],
        max_price: [`max_price: 0.05\n${ONE_REGION}`, (c) => c.spotPriceLimit, 0.05],
        allow_other_regions: [`allow_other_regions: true\n${ONE_REGION}`, (c) => c.allowOtherRegions, true],
        min_healthy: [`min_healthy: 75%\n${ONE_REGION}`, (c) => c.minHealthy, "75%"],
        aws: [`aws: {username: admin}\n${ONE_REGION}`, (c) => c.username, "admin"],
        regions: [ONE_REGION, (c) => c.regions.length, 1],
        "aws.total_instances": [`aws: {total_instances: 7}\n${ONE_REGION}`, (c) => c.regions[0]?.count, 7],
        "aws.username": [`aws: {username: admin}\n${ONE_REGION}`, (c) => c.username, "admin"],
        "aws.ssh_key_name": [`aws: {ssh_key_name: k}\n${ONE_REGION}`, (c) => c.ssh.keyName, "k"],
        "aws.private_ssh_key_path": [`aws: {private_ssh_key_path: k}\n${ONE_REGION}`, (c) => c.ssh.privateKeyPath, "k"],
        "aws.public_ssh_key_path": [
          `aws: {public_ssh_key_path: k.pub}\n${ONE_REGION}`,
          (c) => c.ssh.publicKeyPath,
          "k.pub",
        ],
        "aws.files_directory": [`aws: {files_directory: f}\n${ONE_REGION}`, (c) => c.filesDirectory, "f"],
        "aws.scripts_directory": [`aws: {scripts_directory: s}\n${ONE_REGION}`, (c) => c.scriptsDirectory, "s"],
        "aws.spot_price_limit": [`aws: {spot_price_limit: 1}\n${ONE_REGION}`, (c) => c.spotPriceLimit, 1],
        "aws.instance_storage_gb": [`aws: {instance_storage_gb: 8}\n${ONE_REGION}`, (c) => c.storageGb, 8],
        "aws.cpu_credits": [`aws: {cpu_credits: unlimited}\n${ONE_REGION}`, (c) => c.cpuCredits, "unlimited"],
        "aws.security_groups": [`aws: {security_groups: [sg-0a]}\n${ONE_REGION}`, (c) => c.securityGroups, ["sg-0a"]],
        "aws.iam_instance_profile": [`aws: {iam_instance_profile: p}\n${ONE_REGION}`, (c) => c.instanceProfile, "p"],
        "aws.tags": [`aws: {tags: {A: "1"}}\n${ONE_REGION}`, (c) => c.tags, { A: "1" }],
        "region.machine_type": [
          "regions: [us-west-2: {machine_type: u-6tb1.56xlarge}]",
          (c) => c.regions[0]?.machineTypes,
          ["u-6tb1.56xlarge"],
        ],
        "region.image": ["regions: [us-west-2: {image: debian-12}]", (c) => c.regions[0]?.image, "debian-12"],
        "region.instances_per_region": [
          "regions: [us-west-2: {instances_per_region: 4}]",
          (c) => c.regions[0]?.count,
          4,
        ],
      };
    const all = Object.entries(configKeys).flatMap(([section, keys]) =>
      keys.map((key) => (section === "" ? key : `${section}.${key}`)),
    );

    for (const key of all) {
      it(`has an effect: ${key} (L43)`, () => {
        const effect = effects[key];
        assert.ok(effect, `no test shows what ${key} makes of the configuration; add its row above`);
        const [text, seen, expected] = effect;
        assert.deepEqual(seen(configOf(text)), expected);
      });
    }
  });

  describe("own checks", () => {
    for (const [entry, place, message] of [
      ["name: a", "1:10", /checks\[1\] looks at nothing/],
      ["name: a, tcp: 'h:1', file: /f", "1:32", /looks at tcp and file/],
      ["name: a, tcp: 'h:1', contains: x", "1:32", /contains, which means nothing for tcp/],
      ["name: a, file: /f, status: 200", "1:30", /status, which means nothing for file/],
      ["name: a, file: /f}, {name: a, file: /g", "1:32", /the name of an earlier one: a/],
      ["name: A b, file: /f", "1:17", /small letters/],
      ["name: a, fil: /f", "1:20", /checks\[1\]\.fil is not a key.*did you mean file/],
    ] as const) {
      it(`{${entry}} is refused`, () => {
        const { problems } = parseConfig(`checks: [{${entry}}]\n${ONE_REGION}`, "config.yaml");
        assert.match(problems?.[0]?.message ?? "", message);
        assert.equal(`${problems?.[0]?.location?.line}:${problems?.[0]?.location?.column}`, place);
      });
    }
  });

  describe("bacalhau", () => {
    it("needs a version and a program while it is enabled, and only then", () => {
      const { problems } = parseConfig(`bacalhau: {orchestrators: ["nats://h:1"]}\n${ONE_REGION}`, "config.yaml");
      assert.deepEqual(
        problems?.map(({ message }) => message.slice(0, 28)),
        ["bacalhau.version is missing:", "bacalhau.download is missing"],
      );
      assert.equal(configOf(`bacalhau: {enabled: false}\n${ONE_REGION}`).bacalhau, undefined);
    });

    it("takes the program from one place", () => {
      onlyProblem(
        `${BACALHAU}\n  binary: b\n${ONE_REGION}`,
        "4:3",
        /bacalhau.binary and bacalhau.download exclude each other/,
      );
    });

    it("names a key in the wrong place, an architecture that it does not know, and a checksum that is none (L18)", () => {
      onlyProblem(
        `${BACALHAU.replace("amd64", "x86_64")}\n${ONE_REGION}`,
        "3:14",
        /bacalhau.download.x86_64 is not a key that this program knows/,
      );
      onlyProblem(
        `${BACALHAU}\n  url: https://h/b\n${ONE_REGION}`,
        "4:3",
        /bacalhau.url is not a key .*\(it belongs under an architecture of bacalhau.download\)/,
      );
      onlyProblem(
        `${BACALHAU.replace("0a0a", "0a")}\n${ONE_REGION}`,
        "3:50",
        /bacalhau.download.amd64.sha256 must be a sha256 of 64 hexadecimal digits/,
      );
      onlyProblem(
        `${BACALHAU}\n  orchestrators: [h:4222]\n${ONE_REGION}`,
        "4:19",
        /bacalhau.orchestrators\[1\] must be an address such as nats:\/\/host:4222/,
      );
    });

    it("warns of nodes that join no cluster (L20)", () => {
      assert.match(warningsOf(`${BACALHAU}\n${ONE_REGION}`).join(), /join no cluster/);
      assert.deepEqual(warningsOf(`${BACALHAU}\n  orchestrators: ["nats://h:4222"]\n${ONE_REGION}`), []);
    });
  });

  describe("counts", () => {
    const fleet = (total: string, ...own: (number | undefined)[]): FleetConfig => {
      const names = ["us-west-2", "us-east-1", "eu-west-1", "eu-west-2"];
      const regions = own
        .map((count, i) => `  - ${names[i]}: {${count === undefined ? "" : `instances_per_region: ${count}`}}\n`)
        .join("");
      return configOf(`${total === "" ? "" : `aws: {total_instances: ${total}}\n`}regions:\n${regions}`);
    };

    it("spread the total evenly, the remainder to the first regions", () => {
      assert.deepEqual(counts(fleet("8", undefined, undefined, undefined)), {
        "us-west-2": 3,
        "us-east-1": 3,
        "eu-west-1": 2,
      });
    });

    it("give a region its own number first, and the others what is left of the total", () => {
      assert.deepEqual(counts(fleet("6", undefined, 3, undefined)), { "us-west-2": 2, "us-east-1": 3, "eu-west-1": 1 });
    });

    it("never fall below 0, and say who gets no node", () => {
      const text = "aws: {total_instances: 2}\nregions:\n  - us-west-2: {instances_per_region: 5}\n  - us-east-1: {}\n";
      assert.deepEqual(counts(configOf(text)), { "us-west-2": 5, "us-east-1": 0 });
      assert.deepEqual(warningsOf(text), [
        "1:24 no node is left for us-east-1: aws.total_instances is 2",
        "1:24 aws.total_instances is 2, but the regions' own numbers make 5 nodes",
      ]);
    });

    it("are one per region without a total", () => {
      assert.deepEqual(counts(fleet("", undefined, 2)), { "us-west-2": 1, "us-east-1": 2 });
    });

    it(`end at ${MAX_NODES}`, () => {
      assert.equal(configOf(`aws: {total_instances: ${MAX_NODES}}\n${ONE_REGION}`).regions[0]?.count, MAX_NODES);
      onlyProblem(`aws: {total_instances: ${MAX_NODES + 1}}\n${ONE_REGION}`, "1:24", /1001 nodes.*1000/);
      onlyProblem(
        "regions:\n  - us-west-2: {instances_per_region: 600}\n  - us-west-1: {instances_per_region: 600}\n",
        "2:3",
        /1200 nodes/,
      );
    });
  });

  describe("faults of the text", () => {
    const cases: [what: string, text: string, place: string, words: RegExp][] = [
      ["an empty file", "", "1:1", /empty/],
      ["only comments", "# nothing\n", "1:1", /empty/],
      ["a tab", "regions:\n\t- us-west-2: {}\n", "2:1", /tab/],
      [
        "a key that stands twice",
        "stack: a\nstack: b\n" + ONE_REGION,
        "2:1",
        /stack stands twice in one place, first on line 1/,
      ],
      ["a bracket left open", "regions: [us-west-2\nstack: a\n", "2:1", /\]/],
      ["an alias to nothing", "regions: *all\n", "1:10", /\*all refers to nothing/],
      ["an unknown tag", "stack: !env X\n" + ONE_REGION, "1:8", /!env/],
      ["two documents", ONE_REGION + "---\nstack: a\n", "3:1", /second document/],
      [
        "aliases without end",
        `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(10)}]\nc: &c [${"*b,".repeat(10)}]\nd: [${"*c,".repeat(10)}]\n`,
        "1:1",
        /alias/,
      ],
    ];
    for (const [what, text, place, words] of cases) {
      it(`are named: ${what}`, () => onlyProblem(text, place, words));
    }

    it("name every tab, and are syntax errors", () => {
      const { problems } = parseConfig("regions:\n\t- us-west-2:\n\t\timage: auto\n", "f.yaml");
      assert.deepEqual(
        problems?.map(({ code, location }) => [code, location]),
        [
          ["E_CONFIG_SYNTAX", { file: "f.yaml", line: 2, column: 1 }],
          ["E_CONFIG_SYNTAX", { file: "f.yaml", line: 3, column: 1 }],
        ],
      );
    });

    it("do not move the columns when lines end in CRLF", () => {
      onlyProblem("stack: a\r\nregions:\r\n  - us-west-2: {imgae: auto}\r\n", "3:17", /did you mean image/);
    });
  });

  describe("faults of values", () => {
    const aws = (line: string): string => `aws:\n  ${line}\n${ONE_REGION}`;
    const region = (settings: string): string => `regions:\n  - us-west-2: {${settings}}\n`;
    const cases: [text: string, place: string, words: RegExp][] = [
      ["- a\n", "1:1", /must be a map of settings, not a list/],
      ["stack: a\n", "1:1", /regions is missing/],
      ["regions: []\n", "1:10", /regions must be a list.*not an empty list/],
      ["regions:\n  - us-west-2\n", "2:5", /must be a region with its settings.*not "us-west-2"/],
      ["regions:\n  - us-west-2: {}\n    us-west-1: {}\n", "2:5", /holds 2 regions/],
      ["regions:\n  - us-west-2:\n    machine_type: t3.medium\n", "3:5", /indent it further/],
      ["regions:\n  - us-west-2: {}\n  - us-west-1: {}\n  - us-west-2: {}\n", "4:5", /us-west-2 stands twice/],
      ["regions:\n  - us-wset-2: {}\n", "2:5", /did you mean us-west-2\?/],
      ["regions:\n  - eu-nowhere-1: {}\n", "2:5", /eu-nowhere-1 is not a region of AWS$/],
      ["regions:\n  - Oregon: {}\n", "2:5", /not a region's name such as/],
      ["regions:\n  - us-gov-west-1: {}\n", "2:5", /another partition/],
      ["region: x\n" + ONE_REGION, "1:1", /did you mean regions\?/],
      ["totally_unknown: x\n" + ONE_REGION, "1:1", /is not a key that this program knows$/],
      [aws("totalInstances: 3"), "2:3", /did you mean total_instances\?/],
      [aws("network: create"), "2:3", /it belongs at the top level/],
      ["tags: {A: b}\n" + ONE_REGION, "1:1", /it belongs under aws:/],
      [region("machine: t3.small"), "2:17", /did you mean machine_type\?/],
      ["ssh: {alow: []}\n" + ONE_REGION, "1:7", /did you mean allow\?/],
      [aws("total_instances: 0"), "2:20", /whole number, 1 or more, not 0/],
      [aws("total_instances: -1"), "2:20", /not -1/],
      [aws("total_instances: 1.5"), "2:20", /not 1.5/],
      [aws("total_instances: three"), "2:20", /not "three"/],
      [aws("total_instances:"), "2:3", /not nothing/],
      [region("instances_per_region: 0"), "2:39", /not 0/],
      [region("machine_type: t3medium"), "2:31", /family\.size/],
      [region("machine_type: t3.meduim"), "2:31", /family\.size/],
      [region("image: ubuntu-24.4"), "2:24", /did you mean ubuntu-24.04\?/],
      [region("image: ami-xyz"), "2:24", /not an AMI id/],
      [aws("username: root"), "2:13", /root/],
      [aws("username: Me You"), "2:13", /not a user name/],
      [aws("private_ssh_key_path: ~bob/id"), "2:25", /another user's home/],
      [aws("spot_price_limit: 0"), "2:21", /price/],
      [aws('spot_price_limit: "0.05"'), "2:21", /price.*not "0.05"/],
      [aws("instance_storage_gb: 7"), "2:24", /from 8 to 16384/],
      [aws("cpu_credits: many"), "2:16", /standard, unlimited/],
      [aws("security_groups: [sg-xyz]"), "2:21", /security group's id/],
      [aws("security_groups: web"), "2:20", /a list, not "web"/],
      [aws("iam_instance_profile: arn:aws:iam::1:instance-profile/x"), "2:25", /give the name alone: x/],
      [aws("tags: {A: 1}"), "2:13", /aws\.tags\.A must be text: put it in quotes, not 1/],
      [aws("tags: {A: true}"), "2:13", /not true/],
      [aws("tags: {aws:a: b}"), "2:10", /AWS keeps/],
      [aws("tags: {ManagedBy: b}"), "2:10", /is kept for this program/],
      [aws("tags: {spot-deployer:node: b}"), "2:10", /is kept for this program/],
      [aws(`tags: {${"k".repeat(129)}: b}`), "2:10", /128/],
      [
        aws(`tags: {${Array.from({ length: 45 }, (_, i) => `k${i}: v`).join(", ")}}`),
        "2:9",
        /45 tags; EC2 leaves room for 44/,
      ],
      ["ssh: {allow: []}\n" + ONE_REGION, "1:14", /at least one/],
      ["ssh: {allow: [auot]}\n" + ONE_REGION, "1:15", /CIDR/],
      ["ssh: {allow: [10.0.0.1]}\n" + ONE_REGION, "1:15", /did you mean 10.0.0.1\/32\?/],
      ["ssh: {allow: [10.0.0.1/8]}\n" + ONE_REGION, "1:15", /did you mean 10.0.0.0\/8 or 10.0.0.1\/32\?/],
      ["ssh: {allow: [10.0.0.0/33]}\n" + ONE_REGION, "1:15", /between 0 and 32/],
      ["ssh: {allow: [10.0.0.256/32]}\n" + ONE_REGION, "1:15", /not a CIDR/],
      ['ssh: {allow: ["2001:db8::1/64"]}\n' + ONE_REGION, "1:15", /2001:db8::\/64 or 2001:db8::1\/128/],
      ['ssh: {allow: ["2001:db8:::/64"]}\n' + ONE_REGION, "1:15", /not a CIDR/],
      ["packages: [Jq]\n" + ONE_REGION, "1:12", /Debian package/],
      ["max_unavailable: 0\n" + ONE_REGION, "1:18", /percentage/],
      ["max_unavailable: 0%\n" + ONE_REGION, "1:18", /percentage/],
      ["max_unavailable: 101%\n" + ONE_REGION, "1:18", /percentage/],
      ["network: creat\n" + ONE_REGION, "1:10", /did you mean create\?/],
      [
        "network: vpc-1234abcd\nregions:\n  - us-west-2: {}\n  - us-west-1: {}\n",
        "1:10",
        /one region, but there are 2/,
      ],
      ["network: create\naws: {security_groups: [web]}\n" + ONE_REGION, "2:7", /network: create/],
      ["stack: a b\n" + ONE_REGION, "1:8", /stack's name/],
      ["backend: my-bucket\n" + ONE_REGION, "1:10", /s3:\/\//],
    ];
    for (const [text, place, words] of cases) {
      it(`are refused at ${place}: ${JSON.stringify(text.replace(ONE_REGION, ""))}`.slice(0, 110), () =>
        onlyProblem(text, place, words),
      );
    }

    it("are found all at once, in the file's order, also inside a region whose name is wrong", () => {
      const found = problemsOf(`aws:
  total_instances: 0
  usrname: me
  tags: {aws:x: 1}
ssh: {allow: [1.2.3.4]}
regions:
  - us-wset-2:
      machine_type: big
      instances_per_region: -1
  - eu-west-1: {}
  - eu-west-1: {imag: auto}
`);
      assert.deepEqual(
        found.map((line) => line.split(" ")[0]),
        ["2:20", "3:3", "4:10", "5:15", "7:5", "8:21", "9:29", "11:5", "11:17"],
      );
    });

    it("are SpotErrors of class config with a next step", () => {
      const { problems } = parseConfig("regions: 1\n", "f.yaml");
      const [problem] = problems ?? [];
      assert.ok(problem);
      assert.deepEqual([problem.code, problem.class], ["E_CONFIG_INVALID", "config"]);
      assert.match(problem.next, /config\.example\.yaml/);
    });

    it("warn of an open door", () => {
      assert.deepEqual(warningsOf(`ssh: {allow: [0.0.0.0/0]}\n${ONE_REGION}`), [
        "1:15 ssh.allow: 0.0.0.0/0 lets the whole internet try to log in",
      ]);
    });
  });

  it("can be asked where a value stands", () => {
    const parsed = parseConfig("regions:\n  - us-west-2:\n      image: auto\n", "f.yaml");
    assert.ok(parsed.config);
    assert.deepEqual(parsed.locate(["regions", 0, "us-west-2", "image"]), { file: "f.yaml", line: 3, column: 14 });
    assert.deepEqual(parsed.locate(["regions", 0, "us-west-2", "machine_type"]), {
      file: "f.yaml",
      line: 2,
      column: 5,
    });
  });

  describe("the files that are shipped", () => {
    const read = (name: string): string => readFileSync(path.join(root, name), "utf8");

    it("config.yaml is good: one node in each of three regions, and a key pair made for the fleet", () => {
      const config = configOf(read("config.yaml"));
      assert.deepEqual(warningsOf(read("config.yaml")), []);
      assert.deepEqual(counts(config), { "us-west-2": 1, "us-east-1": 1, "eu-west-1": 1 });
      assert.equal(config.ssh.privateKeyPath, undefined);
    });

    it("config.example.yaml is good and has every key", () => {
      const text = read("config.example.yaml");
      configOf(text);
      assert.deepEqual(warningsOf(text), []);
      const data = parseDocument(text).toJS() as {
        aws: object;
        ssh: object;
        checks: object[];
        bacalhau: { download: Record<string, object> };
        regions: Record<string, object>[];
      };
      const missing = "config.example.yaml explains each key";
      assert.deepEqual(Object.keys(data).sort(), [...configKeys[""]].sort(), missing);
      assert.deepEqual([...Object.keys(data.aws), "spot_price_limit"].sort(), [...configKeys.aws].sort(), missing);
      assert.match(text, /^ {2}# spot_price_limit: /m, "it excludes max_price");
      assert.deepEqual(Object.keys(data.ssh).sort(), [...configKeys.ssh].sort());
      assert.deepEqual([...Object.keys(data.bacalhau), "binary"].sort(), [...configKeys.bacalhau].sort());
      assert.deepEqual(
        [...new Set(data.checks.flatMap((check) => Object.keys(check)))].sort(),
        [...configKeys.checks].sort(),
      );
      assert.match(text, /^ {2}# binary: /m, "it excludes download");
      assert.deepEqual(Object.keys(data.bacalhau.download).sort(), [...configKeys.download].sort());
      assert.deepEqual(Object.keys(data.bacalhau.download.amd64 ?? {}).sort(), [...configKeys.program].sort());
      assert.deepEqual(
        Object.keys(Object.values(data.regions[0] ?? {})[0] ?? {}).sort(),
        [...configKeys.region].sort(),
      );
    });

    it("config.example.yaml has a comment above every key of the program's", () => {
      const text = read("config.example.yaml");
      const lines = text.split("\n");
      const bare: string[] = [];
      const visit = (node: unknown, known: readonly string[]): void => {
        if (isSeq(node)) for (const item of node.items) visit(item, known);
        if (!isMap(node)) return;
        for (const pair of node.items) {
          if (!isScalar(pair.key)) continue;
          const key = String(pair.key.value);
          const line = text.slice(0, pair.key.range?.[0]).split("\n").length - 1;
          const section =
            key in configKeys ? (key as keyof typeof configKeys) : known === configKeys.download ? "program" : "region";
          const isSection = known === configKeys[""] && section !== "region";
          if (known.includes(key) && !isSection && !/^\s*#/.test(lines[line - 1] ?? "")) bare.push(key);
          visit(pair.value, configKeys[section]);
        }
      };
      const contents = parseDocument(text).contents;
      assert.ok(isMap(contents));
      // The first region stands for all: later ones show other values.
      const regions = contents.get("regions");
      assert.ok(isSeq(regions));
      regions.items.splice(1);
      // So does the first architecture.
      contents.deleteIn(["bacalhau", "download", "arm64", "url"]);
      contents.deleteIn(["bacalhau", "download", "arm64", "sha256"]);
      visit(contents, configKeys[""]);
      assert.deepEqual(bare, []);
    });
  });
});
