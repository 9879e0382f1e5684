import { Instance } from "@pulumi/aws/ec2/instance";
import * as pulumi from "@pulumi/pulumi";
import { fitMetadata, nodeTags, type Owner } from "../fleet/identity/tags";
import { isBurstable } from "../fleet/aws/machine-types";
import type { LaunchSpec } from "../fleet/plan/launch-spec";
import type { NodeNetwork } from "./region-network";

export interface SpotNodeArgs {
  spec: LaunchSpec;
  /** Absent: a node that an earlier version made. */
  launch?: string;
  /** Holds the node's host-key token: always a secret. */
  userData: pulumi.Output<string>;
  network: NodeNetwork;
  owner: Owner;
}

/**
 * One-time spot instances cannot be stopped, so what AWS changes by stop and start is a replacement here. Each property
 * by its own path: a whole block also holds what the provider computes, such as tags of the root device, and the bridge
 * finds that changed whenever anything is.
 */
export const REPLACE_ON_CHANGES = [
  "instanceType",
  "iamInstanceProfile",
  "rootBlockDevice.volumeType",
  "rootBlockDevice.volumeSize",
  "rootBlockDevice.encrypted",
  "rootBlockDevice.deleteOnTermination",
  "metadataOptions.httpEndpoint",
  "metadataOptions.httpTokens",
  "metadataOptions.httpPutResponseHopLimit",
  "metadataOptions.instanceMetadataTags",
] as const;

/**
 * One node: an instance that is replaced on any change of what reaches it. The instance's logical name carries the
 * market, because the provider shows no difference when a spot instance is to become an on-demand one.
 */
export class SpotNode extends pulumi.ComponentResource {
  readonly instance: Instance;
  /** What the stack's outputs show of it. */
  readonly shown: Readonly<Record<string, pulumi.Input<string>>>;

  constructor(args: SpotNodeArgs, options: pulumi.ComponentResourceOptions) {
    const { slot, pin, settings, generation } = args.spec;
    super("spot-deployer:infra:SpotNode", slot.name, {}, options);
    const { pool, ami } = pin;
    const isSpot = pool.market === "spot";
    // All settings, by name: one that is added and not named here does not compile; lint finds one that is not used.
    const { storageGb, keyName, instanceProfile, maxPrice, cpuCredits, ...unused } = settings;
    unused satisfies Record<string, never>;
    const subnetId = args.network.subnetIds[pool.availabilityZone];
    if (!subnetId) {
      throw new pulumi.RunError(
        `node ${slot.name}: no subnet in ${pool.availabilityZone}; run \`spot up\`, which decides this anew`,
      );
    }
    const tags = nodeTags(args.owner, slot.name, generation, args.launch);
    this.instance = new Instance(
      `${slot.name}-${pool.market}`,
      {
        region: pool.region,
        ami,
        instanceType: pool.instanceType,
        // The subnet's own: recorded with what was asked for, so that it is known before AWS has shown the instance.
        availabilityZone: pool.availabilityZone,
        subnetId,
        vpcSecurityGroupIds: args.network.securityGroupIds,
        associatePublicIpAddress: true,
        keyName,
        iamInstanceProfile: instanceProfile,
        userDataBase64: args.userData.apply((text) => Buffer.from(text).toString("base64")),
        userDataReplaceOnChange: true,
        // Not said of a spot instance, which AWS cannot stop: the provider would follow its launch with a call of
        // ModifyInstanceAttribute, and AWS refuses that call for other attributes of spot instances.
        instanceInitiatedShutdownBehavior: isSpot ? undefined : "terminate",
        instanceMarketOptions: isSpot
          ? {
              marketType: "spot",
              spotOptions: {
                spotInstanceType: "one-time",
                instanceInterruptionBehavior: "terminate",
                // As AWS shows it: the provider takes "1" for another price than "1.000000", and replaces the instance for it.
                maxPrice: maxPrice?.toFixed(6),
              },
            }
          : undefined,
        creditSpecification: isBurstable(pool.instanceType) ? { cpuCredits: cpuCredits ?? "standard" } : undefined,
        metadataOptions: {
          httpEndpoint: "enabled",
          httpTokens: "required",
          httpPutResponseHopLimit: 1,
          instanceMetadataTags: fitMetadata(tags) ? "enabled" : "disabled",
        },
        // The tags of this volume alone: `volumeTags` would be written to every volume that is attached to the instance.
        rootBlockDevice: { volumeType: "gp3", volumeSize: storageGb, encrypted: true, deleteOnTermination: true, tags },
        tags,
      },
      {
        parent: this,
        dependsOn: args.network.ready[pool.availabilityZone],
        // The quota has no room for both while one takes the other's place.
        deleteBeforeReplace: true,
        replaceOnChanges: [...REPLACE_ON_CHANGES],
        // A node that runs keeps what it was launched with: another `cpu_credits` is another generation.
        ignoreChanges: ["creditSpecification"],
      },
    );
    this.shown = {
      name: slot.name,
      id: this.instance.id,
      region: pool.region,
      availabilityZone: pool.availabilityZone,
      machineType: pool.instanceType,
      market: pool.market,
      address: this.instance.publicIp,
      generation,
    };
    this.registerOutputs({});
  }
}
