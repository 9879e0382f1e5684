import { UBUNTU_ARCHIVE_KEY } from "./ubuntu-archive-key";

/** What a root image of the hosts is made of. Data only: any change of it makes another image. */
export interface ImageRecipe {
  suite: string;
  /** Where its packages come from, in apt's own form (sources.list(5), deb822). Absent: the machine's own sources. */
  sources?: string;
  /** Installed in the image. */
  packages: string[];
  /** In a local apt repository inside the image, with what they need: user data can install them without a network. */
  installable: string[];
  /** Removed from the image, relative to its root; a trailing `*` stands for any ending of a file name. */
  removed: string[];
  /** Written to the image: content by path. */
  files: Record<string, string>;
}

/** Where the image keeps the packages that cloud-init may install. */
export const REPOSITORY = "/usr/local/share/packages";

const lines = (...all: string[]): string => all.map((line) => `${line}\n`).join("");

/** One line per key: cloud-init's first look at its configuration is a shell script that reads line by line. */
const yaml = (values: Record<string, unknown>): string =>
  lines(...Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}`));

const recipe: Omit<ImageRecipe, "suite"> = {
  packages: [
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "python3-yaml",
    "sudo",
    "cloud-init",
    "iproute2",
    "ca-certificates",
    "curl",
    "procps",
    // Resolves the host's own name whatever it is: without it every sudo complains "unable to resolve host".
    "libnss-myhostname",
  ],
  installable: ["jq", "sqlite3"],
  removed: [
    // Each host makes its own.
    "etc/ssh/ssh_host_*",
    // mmdebstrap copies the building machine's name.
    "etc/hostname",
  ],
  files: {
    "etc/machine-id": "",
    "etc/hosts": lines("127.0.0.1 localhost"),
    // Hosts have no way out. A resolver that cannot answer would cost the Ec2 datasource half a minute of look-ups.
    "etc/resolv.conf": lines("# Hosts of the sandbox resolve no names beyond their own."),
    "etc/nsswitch.conf": lines(
      "passwd: files",
      "group: files",
      "shadow: files",
      "gshadow: files",
      "hosts: files myhostname",
      "networks: files",
      "protocols: db files",
      "services: db files",
      "ethers: db files",
      "rpc: db files",
    ),
    "etc/apt/sources.list": lines(`deb [trusted=yes] file:${REPOSITORY} ./`),
    "etc/cloud/cloud.cfg.d/90-sandbox.cfg": yaml({
      datasource_list: ["Ec2"],
      // A container cannot show the hardware identification by which the datasource knows EC2.
      datasource: { Ec2: { strict_id: false, metadata_urls: ["http://169.254.169.254"], timeout: 5, max_wait: 30 } },
      // The sandbox has set the interface up before the host boots.
      network: { config: "disabled" },
      // The stock list without locale (fails in a minimal system), grub-dpkg and apt-configure (nothing to do).
      cloud_config_modules: [
        "snap",
        "ssh-import-id",
        "keyboard",
        "set-passwords",
        "apt-pipelining",
        "ntp",
        "timezone",
        "disable-ec2-metadata",
        "runcmd",
        "byobu",
      ],
      // Ubuntu's images on EC2 have this user, so logins work alike.
      system_info: {
        default_user: {
          name: "ubuntu",
          lock_passwd: true,
          gecos: "Ubuntu",
          groups: ["adm", "sudo"],
          sudo: ["ALL=(ALL) NOPASSWD:ALL"],
          shell: "/bin/bash",
        },
      },
    }),
  },
};

/** An Ubuntu's archive with its updates, whose builds the images in AWS are made of. */
const ubuntu = (suite: string): ImageRecipe => ({
  ...recipe,
  suite,
  sources: lines(
    "Types: deb",
    "URIs: http://archive.ubuntu.com/ubuntu",
    `Suites: ${suite} ${suite}-updates`,
    "Components: main universe",
    "Signed-By:",
    ...UBUNTU_ARCHIVE_KEY.split("\n").map((line) => ` ${line || "."}`),
  ),
  files: {
    ...recipe.files,
    // No udev runs in a container, which would tell cloud-init of interfaces that come and go.
    "etc/cloud/cloud.cfg.d/91-sandbox.cfg": yaml({ updates: { network: { when: ["boot-new-instance"] } } }),
  },
  // Not among what Ubuntu calls required.
  packages: [...recipe.packages, "apt"],
  removed: [
    ...recipe.removed,
    "etc/apt/sources.list.d/*",
    // The package's own list of datasources, read after ours: none of them can be told from inside a container.
    "etc/cloud/cloud.cfg.d/90_dpkg.cfg",
  ],
});

/** The releases that a host can boot, by the name that `image` has for them in config.yaml. */
export const recipes = {
  "debian-12": { suite: "bookworm", ...recipe },
  "ubuntu-22.04": ubuntu("jammy"),
  "ubuntu-24.04": ubuntu("noble"),
} satisfies Record<string, ImageRecipe>;

export type Release = keyof typeof recipes;

/** What every host boots unless asked otherwise: it needs nothing but the machine's own package sources. */
export const DEFAULT_RELEASE: Release = "debian-12";
