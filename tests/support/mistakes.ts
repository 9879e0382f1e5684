/** A natural mistake: what was typed, and what comes back. docs/troubleshooting.md explains each; a test tries each. */
export interface Mistake {
  what: string;
  /** The text of config.yaml; absent: a good one. */
  config?: string;
  args: string[];
  /** Needs a stack, and so the emulated API. */
  stack?: boolean;
  env?: NodeJS.ProcessEnv;
  /** The message, as the documentation shows it; `…` stands for anything. */
  message: string;
  next: string;
}

const REGION = "regions:\n  - us-west-2:\n";
const CORRECT = "Correct the lines named; config.example.yaml documents every key.";

export const mistakes: Mistake[] = [
  {
    what: "There is no configuration",
    args: ["up", "--config", "nowhere.yaml"],
    message: "E_CONFIG_MISSING: …nowhere.yaml cannot be read",
    next: "Run `setup` to have one written; or name yours with --config FILE, or copy config.example.yaml to config.yaml.",
  },
  {
    what: "Tabs in YAML",
    config: "aws:\n\ttotal_instances: 3\nregions:\n  - us-west-2:\n",
    args: ["up"],
    message: "config.yaml:2:1: a tab is used for indentation; YAML allows only spaces",
    next: "Correct the line named; indent with spaces, never with tabs.",
  },
  {
    what: "The file is empty",
    config: "",
    args: ["up"],
    message: "config.yaml:1:1: the file is empty: it needs at least `regions:`",
    next: CORRECT,
  },
  {
    what: "No region",
    config: "regions:\n",
    args: ["up"],
    message: "regions must be a list of regions, one or more, each with its settings",
    next: CORRECT,
  },
  {
    what: "A region misspelt",
    config: "regions:\n  - us-wets-2:\n",
    args: ["up"],
    message: "regions.us-wets-2 is not a region of AWS (did you mean us-west-2?)",
    next: CORRECT,
  },
  {
    what: "A region twice",
    config: "regions:\n  - us-west-2:\n  - us-west-2:\n",
    args: ["up"],
    message: "regions.us-west-2 stands twice; give the region once, with instances_per_region",
    next: CORRECT,
  },
  {
    what: "A region's settings not indented far enough",
    config: "regions:\n  - us-west-2:\n    machine_type: t3.medium\n",
    args: ["up"],
    message: "regions.machine_type is a setting of a region; indent it further than the region's name",
    next: CORRECT,
  },
  {
    what: "10,000 nodes",
    config: `aws:\n  total_instances: 10000\n${REGION}`,
    args: ["up"],
    message: "the fleet would have 10000 nodes; the most that one stack can hold is 1000",
    next: CORRECT,
  },
  {
    what: "A key misspelt",
    config: `aws:\n  total_instance: 3\n${REGION}`,
    args: ["up"],
    message: "aws.total_instance is not a key that this program knows (did you mean total_instances?)",
    next: CORRECT,
  },
  {
    what: "A machine type misspelt",
    config: `${REGION}      machine_type: t3medium\n`,
    args: ["up"],
    message: '"t3medium" is not an instance type of the form family.size, such as t3.medium (did you mean t3.medium?)',
    next: CORRECT,
  },
  {
    what: "A machine type that AWS does not have",
    config: `${REGION}      machine_type: t9.medium\n`,
    args: ["preview"],
    stack: true,
    message: "us-west-2 has no machine type t9.medium",
    next: "Choose a type that the region offers, or another region.",
  },
  {
    what: "An image of another region",
    config: `${REGION}      image: ami-0abcdef1234567890\n`,
    args: ["preview"],
    stack: true,
    message: "us-west-2 has no image ami-0abcdef1234567890",
    next: "Use `image: auto` or an AMI id that exists in the region.",
  },
  {
    what: "An address with bits beyond its prefix",
    config: `ssh: {allow: [203.0.113.7/24]}\n${REGION}`,
    args: ["up"],
    message: '"203.0.113.7/24" has address bits beyond its prefix (did you mean 203.0.113.0/24 or 203.0.113.7/32?)',
    next: CORRECT,
  },
  {
    what: "A tag that is a number",
    config: `aws:\n  tags: {CostCenter: 1234}\n${REGION}`,
    args: ["up"],
    message: "aws.tags.CostCenter must be text: put it in quotes, not 1234",
    next: CORRECT,
  },
  {
    what: "root as the user",
    config: `aws:\n  username: root\n${REGION}`,
    args: ["up"],
    message: "cannot be root: cloud images refuse its logins",
    next: CORRECT,
  },
  {
    what: "A key that is not there, in your home",
    config: `aws:\n  private_ssh_key_path: ~/.ssh/none\n${REGION}`,
    args: ["preview"],
    stack: true,
    message: "E_SSH_KEY: the SSH key …/.ssh/none cannot be read",
    next: "Correct the path, or remove both key paths to have a pair made for this fleet.",
  },
  {
    what: "A private key that others can read",
    config: `aws:\n  private_ssh_key_path: key\n${REGION}`,
    args: ["preview"],
    stack: true,
    message: "E_SSH_KEY: the private key …key can be read by others (mode 0644)",
    next: "Run `chmod 600 …key`.",
  },
  {
    what: "A directory that is not there",
    config: `aws:\n  files_directory: ./none\n${REGION}`,
    args: ["preview"],
    stack: true,
    message: "E_PAYLOAD: …none: does not exist (…config.yaml:2:20)",
    next: "Correct the path named, then run the command again.",
  },
  {
    what: "A directory on a share that is not mounted",
    config: `aws:\n  files_directory: ./share\n${REGION}`,
    args: ["preview"],
    stack: true,
    message: "E_PAYLOAD: …share: is a link to /mnt/nas/fleet, which is not there (…config.yaml:2:20)",
    next: "Mount or restore what the link leads to, or correct the path.",
  },
  {
    what: "No credentials",
    config: `ssh: {allow: [203.0.113.0/24]}\n${REGION}`,
    args: ["preview"],
    env: {
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_ACCESS_KEY_ID: undefined,
      AWS_PROFILE: undefined,
    },
    message: "E_CREDENTIALS: asking AWS whose credentials these are failed",
    next: "Log in again (`aws sso login`, or other credentials), then run the command again: it resumes.",
  },
  {
    what: "A command misspelt",
    args: ["crate"],
    message: "E_USAGE: there is no command `crate` (did you mean create?)",
    next: "Run `spot help` or `spot help COMMAND`.",
  },
  {
    what: "An option that a command does not have",
    args: ["up", "--dry-run"],
    message: "E_USAGE: `up` has no option `--dry-run`",
    next: "Run `spot help up`.",
  },
  {
    what: "An option that npm keeps for itself",
    args: ["down"],
    env: { npm_lifecycle_event: "down", npm_config_dry_run: "true", AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
    message: "E_USAGE: npm kept `--dry-run` for itself: `down` would run without it",
    next: "Nothing was done. npm passes on what stands behind `--`: `npm run down -- --dry-run`.",
  },
  {
    what: "A node or stack that there is not",
    args: ["ssh", "us-west-2-9"],
    stack: true,
    message: "E_NOT_FOUND: stack … has no node us-west-2-9",
    next: "Run `list` to see what there is.",
  },
];
