import { readFileSync } from "node:fs";
import { diagnose, type ReachStage } from "../../../fleet/checks/diagnosis";
import { hostKeyToken, type TokenHolder } from "../../../fleet/identity/generation";
import type { Pins } from "../../../fleet/model";
import type { FleetDefinition } from "../../../project/definition";
import { consoleOutput } from "../../../cloud/resources/node-facts";
import { refOf, type StateNode } from "../../engine/state";
import type { Session } from "../../session";
import { connectNode } from "../../ssh/connect";
import type { NodeConnection } from "../../ssh/connection";
import type { Login } from "../../ssh/openssh";
import type { VerifyTarget } from "../../verify/runner";
import { cloudFacts, type FactsOf } from "./cloud-facts";
import { expectationOf } from "./expectation";
import { sshAccess, type SshAccess } from "./ssh-access";

/** The way to the nodes of one fleet, and what is known of each. */
export interface FleetAccess {
  session: Session;
  definition: FleetDefinition;
  ssh: SshAccess;
  /** The secret by which a node proves its host key, hex. */
  tokenOf(node: TokenHolder): string;
  /** What must not be seen in anything that is shown of these nodes. */
  secretsOf(nodes: readonly StateNode[]): string[];
  /** The nodes as AWS shows them now, and the way to each. */
  targets(nodes: readonly StateNode[]): Promise<VerifyTarget[]>;
  /**
   * What the machine's own `ssh` needs to log in on a node. The host key is proven and pinned first.
   * @throws ConnectError when the node cannot be reached or its key not proven, E_ADDRESS_REFUSED
   */
  login(node: StateNode): Promise<Login>;
}

export interface FleetAccessInput {
  session: Session;
  definition: FleetDefinition;
  /** Who may log in. */
  ssh: Pins["ssh"];
  fleetSecret: string;
  privateKeyPath: string;
}

/** For one login that proves a host key. */
const PROOF_MS = 20_000;

export function fleetAccess(input: FleetAccessInput): FleetAccess {
  const { session, definition, fleetSecret, privateKeyPath } = input;
  const { username, bacalhau } = definition.config;
  const ssh = sshAccess(session, { username, privateKeyPath });
  const factsOf = cloudFacts(session);
  const tokenOf = (node: TokenHolder): string => hostKeyToken(fleetSecret, node);

  const connect = (node: StateNode, address: string, deadlineMs: number): Promise<NodeConnection> =>
    connectNode({
      ...ssh,
      instanceId: node.instanceId,
      address,
      token: tokenOf(node),
      deadlineMs,
      signal: session.interrupts.soft,
    });

  const targets = async (nodes: readonly StateNode[]): Promise<VerifyTarget[]> => {
    const facts = await factsOf(nodes);
    return nodes.map((node) => {
      const cloud = facts(node);
      const address = cloud.instance?.publicAddress ?? node.address;
      return {
        ref: { ...refOf(node), address },
        expectation: expectationOf(session, definition, input.ssh, { node, address, token: tokenOf(node) }),
        cloud,
        connect: (deadlineMs) => connect(node, address ?? "", deadlineMs),
        diagnose: diagnosing(session, factsOf, node),
      };
    });
  };

  return {
    session,
    definition,
    ssh,
    tokenOf,
    targets,
    secretsOf: (nodes) => [
      fleetSecret,
      ...nodes.map(tokenOf),
      ...(bacalhau?.tokenFile === undefined ? [] : [readFileSync(bacalhau.tokenFile, "utf8").trim()]),
    ],
    async login(node) {
      const { instanceId } = node;
      const address = (await targets([node]))[0]?.ref.address ?? "";
      ssh.dial.assertAllowed(address);
      if ((await ssh.knownHosts.lookup(instanceId)) === undefined)
        await (await connect(node, address, PROOF_MS)).close();
      return { instanceId, address, username, privateKeyPath, knownHostsFile: ssh.knownHosts.file(instanceId) };
    },
  };
}

/** Looks at everything on the way to a node, as it is now. */
function diagnosing(session: Session, factsOf: FactsOf, node: StateNode): NonNullable<VerifyTarget["diagnose"]> {
  return async (stage: ReachStage, failure: string) => {
    const [facts, console] = await Promise.all([
      factsOf([node]),
      consoleOutput(session.cloud, node.pin.pool.region, node.instanceId),
    ]);
    return diagnose({ cloud: facts(node), stage, failure, console });
  };
}
