/** A point in the life of a node while `up` brings it up. */
export type Moment = "booting" | "uploading" | "deploying" | "rebooted";

/** What happens to the node at that moment, or to the way there until the node is past its first boot. */
export type Trouble =
  | {
      at: Moment;
      the:
        | "host dies"
        | "instance is ended by hand"
        | "instance is interrupted"
        | "connection is reset"
        | "connection falls silent";
    }
  | { at: "first login"; the: "port refuses" | "connection is reset" | "connection falls silent" };

/** One node on a booted host, what goes wrong while `up` brings it up, and how it must end. */
export interface HostScenario {
  name: string;
  trouble: Trouble;
  expect: {
    exit: number;
    /** Classes of what failed. */
    classes: string[];
    /** What is said of it: the cause, and the next step. */
    says?: RegExp;
  };
  /** The node of the next `up`, which must be verified: the same instance, or another one. */
  then: "the same" | "another";
}

const gone = (cause: string): HostScenario["expect"] => ({
  exit: 4,
  classes: ["transient"],
  says: new RegExp(`ended while it was set up[^]*${cause}[^]*Run \`up\` again: it makes the node anew`),
});
const converges: HostScenario["expect"] = { exit: 0, classes: [] };
const cutOff: HostScenario["expect"] = {
  exit: 4,
  classes: ["deployment"],
  says: /The upload was cut off[^]*Run `up` again: a node that has not started its deployment is resumed/,
};

const BY_ITSELF = "Client\\.InstanceInitiatedShutdown";
const BY_HAND = "Client\\.UserInitiatedShutdown";
const BY_AWS = "Server\\.SpotInstanceTermination";

/** The first check that meets it says so: that the instance runs, or that it answers. */
const AT_VERIFICATION = /^(A2: .*terminated.*`up` makes the node again|B\d: .*; .*; .+)/m;

export const hostScenarios: readonly HostScenario[] = [
  {
    name: "a host dies while it boots",
    trouble: { at: "booting", the: "host dies" },
    expect: gone(BY_ITSELF),
    then: "another",
  },
  {
    name: "a host dies while it is uploaded to",
    trouble: { at: "uploading", the: "host dies" },
    expect: gone(BY_ITSELF),
    then: "another",
  },
  {
    name: "a host dies before its reboot",
    trouble: { at: "deploying", the: "host dies" },
    expect: gone(BY_ITSELF),
    then: "another",
  },
  {
    name: "a host dies after its reboot",
    trouble: { at: "rebooted", the: "host dies" },
    expect: { exit: 5, classes: [], says: AT_VERIFICATION },
    then: "another",
  },
  {
    name: "an instance ended by hand while it boots",
    trouble: { at: "booting", the: "instance is ended by hand" },
    expect: gone(BY_HAND),
    then: "another",
  },
  {
    name: "an instance ended by hand while it is deployed",
    trouble: { at: "deploying", the: "instance is ended by hand" },
    expect: gone(BY_HAND),
    then: "another",
  },
  {
    name: "an instance interrupted while it is deployed",
    trouble: { at: "deploying", the: "instance is interrupted" },
    expect: gone(BY_AWS),
    then: "another",
  },
  {
    name: "SSH refused at first",
    trouble: { at: "first login", the: "port refuses" },
    expect: converges,
    then: "the same",
  },
  {
    name: "SSH reset at first",
    trouble: { at: "first login", the: "connection is reset" },
    expect: converges,
    then: "the same",
  },
  {
    name: "SSH silent at first",
    trouble: { at: "first login", the: "connection falls silent" },
    expect: converges,
    then: "the same",
  },
  {
    name: "SSH reset in mid-upload",
    trouble: { at: "uploading", the: "connection is reset" },
    expect: cutOff,
    then: "the same",
  },
  {
    name: "SSH silent in mid-upload",
    trouble: { at: "uploading", the: "connection falls silent" },
    expect: cutOff,
    then: "the same",
  },
];
