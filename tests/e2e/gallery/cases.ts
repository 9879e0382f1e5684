/** A way to break a booted node, and what `verify` must say of it. */
export interface GalleryCase {
  /** What is wrong, as a person would say it. */
  name: string;
  /** Shell text, run by root inside the host. Leaves the host broken in this one way. */
  breaks: string;
  /** Undoes it. */
  heals: string;
  /** Exactly the checks that fail, root cause first. Everything else is ok, or skipped because of one of these. */
  failing?: string[];
  /** Exactly the checks that warn. */
  warning?: string[];
  /** Exactly the checks that note something, of those that a sound node has no note of. */
  noting?: string[];
  /** What the first of them finds, says or advises: it names the cause. */
  says: RegExp;
  /** What the journals that come with them say, a line each: `unit: line`. */
  journal?: RegExp;
  /** The checks that another node fails because of it. */
  elsewhere?: string[];
}

const SETTINGS = "/etc/spot-deployer";
const UPLOAD = "/opt/uploaded_files";
const STATE = "/var/lib/spot-deployer";
const IDENTITY = "/opt/sensor/config/node_identity.json";
const REGENERATE = "INSTANCE_ID=$ID python3 -B /opt/uploaded_files/scripts/generate_node_identity.py --output";

/** Changes a file and brings it back with everything that it had. */
const altered = (file: string, change: string): Pick<GalleryCase, "breaks" | "heals"> => ({
  breaks: `cp -pL ${file} /root/kept && ${change}`,
  heals: `cat /root/kept > ${file} && rm /root/kept`,
});
const hidden = (path: string): Pick<GalleryCase, "breaks" | "heals"> => ({
  breaks: `mv ${path} ${path.replace(/[^/]+$/, ".kept")}`,
  heals: `mv ${path.replace(/[^/]+$/, ".kept")} ${path}`,
});

/** Another way to run a unit, until the node is healed. The unit's own file stays as it is. */
const runAs = (unit: string, lines: string[], then = ""): Pick<GalleryCase, "breaks" | "heals"> => ({
  breaks: `mkdir -p /run/systemd/system/${unit}.d && printf '%s\\n' '[Unit]' 'StartLimitIntervalSec=0' '[Service]' ${lines.map((line) => `'${line}'`).join(" ")} > /run/systemd/system/${unit}.d/broken.conf && systemctl daemon-reload && systemctl restart --no-block ${unit}${then}`,
  heals: `rm -r /run/systemd/system/${unit}.d && systemctl daemon-reload && systemctl stop ${unit}; systemctl reset-failed ${unit}; systemctl start ${unit}`,
});

const waitFor = (condition: string): string =>
  `for n in $(seq 200); do ${condition} && exit 0; sleep 0.1; done; exit 1`;

/** Routes into nothing: to the machine from which the node is reached, or to the metadata service. */
const cutOff = (address: string): Pick<GalleryCase, "breaks" | "heals"> => ({
  breaks: `ip route add blackhole ${address}`,
  heals: `ip route del blackhole ${address}`,
});

const SENSOR = "/usr/bin/python3 -B /opt/uploaded_files/scripts/sensor.py";
const watcherSays = (state: string): string =>
  waitFor(`grep -q '"metadata": "${state}"' /run/spot-deployer/interruption.json`);

export const galleryCases: GalleryCase[] = [
  // Reach
  {
    name: "sshd stopped",
    breaks: "systemctl stop ssh.socket ssh.service 2>/dev/null; true",
    heals: "systemctl start ssh.service",
    failing: ["B1"],
    says: /banner: .*nothing listens on its SSH port/,
  },
  {
    name: "packets to the SSH port dropped",
    ...cutOff("$CALLER/32"),
    failing: ["B1"],
    says: /banner: .*no answer to a TCP connection/,
  },
  {
    name: "host key changed",
    breaks:
      "mkdir /root/keys && cp -a /etc/ssh/ssh_host_* /root/keys/ && rm /etc/ssh/ssh_host_* && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && systemctl restart ssh",
    heals: "rm /etc/ssh/ssh_host_* && cp -a /root/keys/* /etc/ssh/ && rm -r /root/keys && systemctl restart ssh",
    failing: ["B2"],
    says: /host key: .*another host key than the one that was proven/,
  },
  {
    name: "key refused (L37)",
    ...hidden("/home/ubuntu/.ssh/authorized_keys"),
    failing: ["B3"],
    says: /authentication: .*refuses the login of ubuntu/,
  },
  { name: "sudo taken away", ...hidden("/etc/sudoers.d/90-cloud-init-users"), failing: ["B3"], says: /password/ },
  {
    name: "metadata service dead (L21)",
    breaks: `ip route add blackhole 169.254.169.254 && ${watcherSays("error")}`,
    heals: `ip route del blackhole 169.254.169.254 && ${watcherSays("ok")}`,
    failing: ["B4", "H7"],
    says: /no answer/,
  },
  {
    name: "no reboot happened (L3)",
    ...altered(
      `${STATE}/deployment-complete.json`,
      `sed -i "s/\\"bootId\\": \\"[^\\"]*\\"/\\"bootId\\": \\"$(cat /proc/sys/kernel/random/boot_id)\\"/" ${STATE}/deployment-complete.json`,
    ),
    failing: ["B5"],
    says: /still [0-9a-f-]{36}/,
  },
  {
    name: "resolver dead",
    ...altered("/etc/nsswitch.conf", "sed -i 's/^hosts:.*/hosts: dns/' /etc/nsswitch.conf"),
    failing: ["B7"],
    says: /is not resolved/,
  },
  // Cloud-init
  {
    name: "cloud-init still running",
    ...altered(
      "/run/cloud-init/status.json",
      `python3 -c 'import json; p="/run/cloud-init/status.json"; s=json.load(open(p)); s["v1"]["stage"]="modules-final"; s["v1"]["modules-final"]["finished"]=None; json.dump(s, open(p, "w"))'`,
    ),
    failing: ["C1"],
    says: /running/,
  },
  {
    name: "an error of cloud-init",
    ...altered(
      "/run/cloud-init/status.json",
      `python3 -c 'import json; p="/run/cloud-init/status.json"; s=json.load(open(p)); s["v1"]["modules-final"]["errors"]=["runcmd: exit code 1"]; json.dump(s, open(p, "w"))'`,
    ),
    failing: ["C2"],
    says: /runcmd: exit code 1/,
  },
  {
    name: "a recoverable error of cloud-init",
    ...altered(
      "/var/log/cloud-init.log",
      "echo '2026-01-01 00:00:00,000 - cc_package_update_upgrade_install.py[WARNING]: Failed to install packages: nonsuch' >> /var/log/cloud-init.log",
    ),
    failing: ["C2"],
    says: /Failed to install packages: nonsuch/,
  },
  {
    name: "other user data",
    ...altered("/var/lib/cloud/instance/user-data.txt", "echo '# changed' >> /var/lib/cloud/instance/user-data.txt"),
    failing: ["C3"],
    says: /other user data/,
  },
  {
    name: "package missing",
    breaks: "dpkg -r jq",
    heals: "DEBIAN_FRONTEND=noninteractive apt-get -qq install jq",
    failing: ["C4"],
    says: /jq: not installed/,
  },
  {
    name: "package half configured",
    ...altered(
      "/var/lib/dpkg/status",
      "sed -i '/^Package: procps$/,/^$/s/install ok installed/install ok half-configured/' /var/lib/dpkg/status",
    ),
    warning: ["C5"],
    says: /procps/,
  },
  {
    name: "dpkg locked (L14)",
    breaks: `setsid python3 -c 'import fcntl, time; f = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(f, fcntl.LOCK_EX); open("/root/locked", "w"); time.sleep(600)' >/dev/null 2>&1 & echo $! > /root/locker; ${waitFor("[ -e /root/locked ]")}`,
    heals: "kill $(cat /root/locker) && rm /root/locked /root/locker",
    warning: ["C5"],
    says: /POSIX.*WRITE/,
  },
  {
    name: "node's own name changed",
    ...altered(`${SETTINGS}/node.json`, `sed -i 's/us-west-2-0/us-west-2-9/' ${SETTINGS}/node.json`),
    failing: ["C7"],
    says: /node\.json: differs from what the user data says/,
  },
  {
    name: "host key's proof changed",
    ...altered(`${SETTINGS}/host-key-proof`, `echo 0000 > ${SETTINGS}/host-key-proof`),
    failing: ["C7"],
    says: /host-key-proof: not the proof of this host key/,
  },
  // Files
  {
    name: "upload root of another owner",
    breaks: `chown root ${UPLOAD}`,
    heals: `chown ubuntu ${UPLOAD}`,
    failing: ["D1"],
    says: /\/opt\/uploaded_files: owner root, not ubuntu/,
  },
  {
    name: "file missing",
    ...hidden(`${UPLOAD}/files/hello.txt`),
    failing: ["D2", "D3"],
    says: /files\/hello\.txt: missing/,
  },
  {
    name: "script altered by one byte (L12)",
    ...altered(
      `${UPLOAD}/scripts/metadata.py`,
      `printf X | dd of=${UPLOAD}/scripts/metadata.py bs=1 seek=9 conv=notrunc status=none`,
    ),
    failing: ["D2"],
    says: /scripts\/metadata\.py: content differs/,
  },
  {
    name: "script cut off",
    ...altered(`${UPLOAD}/scripts/metadata.py`, `truncate -s 100 ${UPLOAD}/scripts/metadata.py`),
    failing: ["D2"],
    says: /scripts\/metadata\.py: 100 bytes, not \d+/,
  },
  {
    name: "script not executable",
    breaks: `chmod 644 ${UPLOAD}/scripts/startup.py`,
    heals: `chmod 755 ${UPLOAD}/scripts/startup.py`,
    failing: ["D2"],
    says: /scripts\/startup\.py: mode 0644, not 0755/,
  },
  {
    name: "foreign file",
    breaks: `touch ${UPLOAD}/scripts/extra.py`,
    heals: `rm ${UPLOAD}/scripts/extra.py`,
    failing: ["D3"],
    says: /scripts\/extra\.py/,
  },
  {
    name: "directory missing (L2)",
    ...hidden("/opt/sensor/exports"),
    failing: ["D4"],
    says: /\/opt\/sensor\/exports: missing/,
  },
  {
    name: "directory of another owner",
    breaks: "chown nobody /opt/sensor/logs",
    heals: "chown root /opt/sensor/logs",
    failing: ["D4"],
    says: /\/opt\/sensor\/logs: owner nobody, not root/,
  },
  {
    name: "directory open to everybody",
    breaks: "chmod 777 /bacalhau_data",
    heals: "chmod 700 /bacalhau_data",
    failing: ["D4"],
    says: /\/bacalhau_data: mode 777, not 700, so that others can read it/,
  },
  {
    name: "folder above closed to others",
    breaks: "chmod 700 /opt",
    heals: "chmod 755 /opt",
    failing: ["D1"],
    says: /^\/opt: mode 700 keeps all but root from what is in it/,
  },
  {
    name: "another payload",
    ...altered(`${UPLOAD}/manifest.json`, `sed -i 's/"digest":"...../"digest":"00000/' ${UPLOAD}/manifest.json`),
    failing: ["D5"],
    says: /00000/,
  },
  // Deployment
  {
    name: "deployment ended with an error",
    ...altered(
      `${STATE}/spot-deploy.result.json`,
      `sed -i 's/"success"/"exit-code"/' ${STATE}/spot-deploy.result.json`,
    ),
    failing: ["E1"],
    says: /exit-code/,
  },
  {
    name: "deployment step failed",
    ...altered(
      `${STATE}/steps/units.json`,
      `sed -i 's/"status": "ok"/"status": "failed"/; s/"detail": "[^"]*"/"detail": "no space left on device"/' ${STATE}/steps/units.json`,
    ),
    failing: ["E2"],
    says: /units: failed: no space left on device/,
  },
  {
    name: "deployment marker missing",
    ...hidden(`${STATE}/deployment-complete.json`),
    failing: ["E3", "B5"],
    says: /No such file/,
  },
  {
    name: "deployment log ends early",
    ...altered("/opt/deployment.log", "sed -i '$d' /opt/deployment.log"),
    warning: ["E4"],
    says: /STEP units: ok/,
  },
  {
    name: "settings overwritten",
    breaks: `cp -p ${SETTINGS}/sensor-config.json ${SETTINGS}/workloads.json /root/ && echo garbage | tee ${SETTINGS}/sensor-config.json > ${SETTINGS}/workloads.json`,
    heals: `for name in sensor-config workloads; do cat /root/$name.json > ${SETTINGS}/$name.json; rm /root/$name.json; done`,
    failing: ["E5"],
    says: /sensor-config\.json: differs from what was uploaded.*workloads\.json: differs from what was uploaded/,
  },
  {
    name: "foreign interruption hook",
    breaks: `install -m 755 /dev/null ${SETTINGS}/on-interruption.d/.99-foreign`,
    heals: `rm ${SETTINGS}/on-interruption.d/.99-foreign`,
    failing: ["E5"],
    says: /on-interruption\.d\/\.99-foreign: was not uploaded/,
  },
  {
    name: "record of a step writable by everybody",
    breaks: `chmod 666 ${STATE}/steps/units.json`,
    heals: `chmod 644 ${STATE}/steps/units.json`,
    failing: ["E5"],
    says: /steps\/units\.json: mode 666, not 644/,
  },
  // Units
  {
    name: "unit file changed",
    ...altered("/etc/systemd/system/sensor.service", "echo '# changed' >> /etc/systemd/system/sensor.service"),
    failing: ["F1"],
    says: /sensor\.service: differs from services\/sensor\.service/,
  },
  {
    name: "unit file writable by everybody",
    breaks: "chmod 666 /etc/systemd/system/sensor.service",
    heals: "chmod 644 /etc/systemd/system/sensor.service",
    failing: ["F1", "F2"],
    says: /sensor\.service: mode 666, not 644/,
  },
  {
    name: "unit masked",
    breaks:
      "mv /etc/systemd/system/sensor.service /root/ && ln -s /dev/null /etc/systemd/system/sensor.service && systemctl daemon-reload",
    heals:
      "rm /etc/systemd/system/sensor.service && mv /root/sensor.service /etc/systemd/system/ && systemctl daemon-reload",
    failing: ["F1", "F2", "F3"],
    says: /sensor\.service: a link to \/dev\/null, not a file/,
  },
  {
    name: "unit disabled (L4, L6)",
    breaks: "systemctl disable -q sensor.service",
    heals: "systemctl enable -q sensor.service",
    failing: ["F3"],
    says: /sensor\.service: disabled/,
  },
  {
    name: "units that order themselves in a circle (L5)",
    breaks:
      "cd /run/systemd/system && printf '[Unit]\\nAfter=two.service\\n[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' > one.service && printf '[Unit]\\nRequires=one.service\\nBefore=one.service\\nAfter=one.service\\n[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' > two.service && systemctl daemon-reload; systemctl start two.service; true",
    heals: "rm /run/systemd/system/one.service /run/systemd/system/two.service && systemctl daemon-reload",
    failing: ["F4"],
    says: /ordering cycle/,
  },
  {
    name: "startup failed",
    breaks:
      "cp -a /etc/spot-deployer/sensor-config.json /root/kept && echo '{' > /etc/spot-deployer/sensor-config.json && systemctl restart bacalhau-startup.service; true",
    heals:
      "cp -a /root/kept /etc/spot-deployer/sensor-config.json && rm /root/kept && systemctl restart bacalhau-startup.service && systemctl start sensor.service mine.service",
    failing: ["E5", "F6", "F5"],
    warning: ["F10"],
    says: /sensor-config\.json: differs from what was uploaded/,
    journal: /^bacalhau-startup\.service: .*STEP sensor-configuration: failed: .*not JSON/m,
  },
  {
    name: "workload stopped",
    breaks: "systemctl stop sensor.service",
    heals: "systemctl start sensor.service",
    failing: ["F7"],
    says: /sensor\.service: inactive \(dead\)/,
  },
  {
    name: "service that exits at once",
    ...runAs(
      "sensor.service",
      ["Type=simple", "Restart=no", "ExecStart=", "ExecStart=/bin/false"],
      `; ${waitFor("systemctl is-failed -q sensor.service")}`,
    ),
    failing: ["F7"],
    says: /sensor\.service: failed \(failed\), exit-code/,
    journal: /^sensor\.service: .*Main process exited, code=exited, status=1/m,
  },
  {
    name: "service that hangs in its start",
    ...runAs(
      "sensor.service",
      ["TimeoutStartSec=600", "ExecStart=", "ExecStart=/bin/sleep 900"],
      `; ${waitFor('[ "$(systemctl is-active sensor.service)" = activating ]')}`,
    ),
    failing: ["F7"],
    says: /sensor\.service: activating \(start\)/,
  },
  {
    name: "service that restarts for ever (L7)",
    ...runAs(
      "sensor.service",
      [
        "Type=simple",
        "Restart=always",
        "RestartSec=50ms",
        "ExecStart=",
        `ExecStart=/bin/sh -c "timeout 15 ${SENSOR}; exit 1"`,
      ],
      `; ${waitFor("[ $(systemctl show -p NRestarts --value sensor.service) -gt 0 ] || { systemctl kill sensor.service; false; }")}`,
    ),
    failing: ["F8"],
    says: /sensor\.service: \d+ restarts? in this boot, the last \d+ s ago/,
    journal: /^sensor\.service: .*Scheduled restart job, restart counter is at/m,
  },
  {
    // The machine's uptime is what tells how long a unit has been active.
    name: "workload that crashed once, long ago",
    breaks: `systemctl kill -s KILL sensor.service; for n in $(seq 200); do [ "$(systemctl show -p NRestarts --value sensor.service)" = 1 ] && systemctl is-active -q sensor.service && break; sleep 0.1; done; awk '{ print $1 + 1800, $2 }' /proc/uptime > /root/uptime && mount --bind /root/uptime /proc/uptime`,
    heals: "umount /proc/uptime && rm /root/uptime && systemctl restart sensor.service",
    noting: ["F8"],
    says: /^sensor\.service: 1 restart in this boot, the last 30 minutes ago/,
    journal: /^sensor\.service: .*code=killed, status=9\/KILL/m,
  },
  {
    name: "another unit of the system failed",
    breaks: "systemd-run -q --unit other /bin/false; " + waitFor("systemctl is-failed -q other"),
    heals: "systemctl reset-failed other",
    warning: ["F9"],
    says: /other\.service/,
    journal: /^other\.service: .*Failed with result/m,
  },
  // Identity and configuration
  { name: "identity missing", ...hidden(IDENTITY), failing: ["G1"], says: /No such file/ },
  {
    name: "identity cut off",
    ...altered(IDENTITY, `truncate -s 100 ${IDENTITY}`),
    failing: ["G1"],
    says: /sensor_id undefined/,
  },
  {
    name: "identity of another instance",
    ...altered(IDENTITY, `ID=i-0123456789abcdef0; ${REGENERATE} ${IDENTITY}`),
    failing: ["G2"],
    says: /i-0123456789abcdef0/,
  },
  {
    name: "identity edited",
    ...altered(IDENTITY, `sed -i 's/"firmware_version": "[^"]*"/"firmware_version": "9.9.9"/' ${IDENTITY}`),
    failing: ["G3"],
    says: /differ/,
  },
  {
    name: "identity of another node of the fleet",
    ...altered(IDENTITY, `ID=$OTHER; ${REGENERATE} ${IDENTITY}`),
    failing: ["G2", "G4"],
    says: /i-[0-9a-f]{17}/,
    elsewhere: ["G4"],
  },
  {
    name: "placeholder left",
    ...altered(
      "/opt/sensor/config/sensor-config.json",
      `sed -i '1s/{/{"x": "$''{SITE}",/' /opt/sensor/config/sensor-config.json`,
    ),
    failing: ["G5", "G6"],
    says: /a placeholder in \/opt\/sensor\/config\/sensor-config\.json/,
  },
  {
    name: "secret readable by everybody",
    breaks: "install -m 644 /dev/null /bacalhau_node/config.yaml",
    heals: "rm /bacalhau_node/config.yaml",
    failing: ["G5"],
    says: /\/bacalhau_node\/config\.yaml: mode 644, not 600, so that others can read it/,
  },
  {
    name: "identity that nobody may read",
    breaks: `chmod 0 ${IDENTITY}`,
    heals: `chmod 644 ${IDENTITY}`,
    failing: ["G1"],
    says: /^mode 0$/m,
  },
  {
    name: "rendered configuration writable by everybody",
    breaks: "chmod 666 /opt/sensor/config/sensor-config.json",
    heals: "chmod 644 /opt/sensor/config/sensor-config.json",
    failing: ["G5"],
    says: /sensor-config\.json: mode 666, not 644/,
  },
  {
    name: "rendered configuration changed",
    ...altered(
      "/opt/sensor/config/sensor-config.json",
      'sed -i \'s/"interval_seconds": 0.5/"interval_seconds": 0.6/\' /opt/sensor/config/sensor-config.json',
    ),
    failing: ["G6"],
    says: /sensor-config\.json: interval_seconds differs/,
  },
  // Workload and health
  {
    name: "sensor that writes nothing",
    breaks: `systemctl kill -s STOP sensor.service && python3 -c 'import sqlite3; d = sqlite3.connect("/opt/sensor/data/sensor_data.db"); d.execute("DELETE FROM sensor_readings"); d.commit()'`,
    heals: "systemctl kill -s CONT sensor.service",
    failing: ["H5"],
    says: /no reading/,
  },
  {
    name: "disk full",
    breaks:
      "mount -t tmpfs -o size=64k,mode=755 full /opt/sensor/data && dd if=/dev/zero of=/opt/sensor/data/full bs=4k status=none 2>/dev/null; true",
    heals: "umount /opt/sensor/data",
    failing: ["H5"],
    warning: ["K1"],
    says: /unable to open database/,
  },
  {
    name: "a unit of the user's own stopped",
    breaks: "systemctl stop mine.service",
    heals: "systemctl start mine.service",
    failing: ["H6"],
    says: /mine\.service: inactive \(dead\)/,
  },
  {
    name: "a unit of the user's own that hangs in its start",
    ...runAs(
      "mine.service",
      ["Type=oneshot", "ExecStart=", "ExecStart=/bin/sleep 900"],
      `; ${waitFor('[ "$(systemctl is-active mine.service)" = activating ]')}`,
    ),
    failing: ["H6"],
    says: /mine\.service: activating \(start\)[^]*mine\.service hangs in its start/,
  },
  {
    name: "a check of the user's own fails",
    breaks: "touch /tmp/wrong",
    heals: "rm /tmp/wrong",
    failing: ["U-nothing-wrong"],
    says: /exit code 1/,
  },
];

const caseOf = (name: string): GalleryCase => {
  const found = galleryCases.find((broken) => broken.name === name);
  if (found === undefined) throw new Error(`no case is called ${name}`);
  return found;
};

/** Two ways to break one node at once: neither hides the other. Each is healed in the reverse order. */
export const galleryPairs: readonly (readonly [GalleryCase, GalleryCase])[] = (
  [
    ["script not executable", "workload stopped"],
    ["unit disabled (L4, L6)", "identity of another instance"],
    ["directory missing (L2)", "a unit of the user's own stopped"],
    ["upload root of another owner", "service that exits at once"],
    ["an error of cloud-init", "directory open to everybody"],
    ["deployment marker missing", "workload stopped"],
  ] as const
).map(([one, other]) => [caseOf(one), caseOf(other)] as const);
