import { Instance } from "@pulumi/aws/ec2/instance";
import * as pulumi from "@pulumi/pulumi";
import type { NodePin } from "../fleet/model";
import { nodeTags, type Owner } from "../fleet/identity/tags";
import type { RegionNetwork } from "./region-network";

export interface SpotNodeArgs {
  /** The slot's name, e.g. `us-west-2-0`. */
  name: string;
  pin: NodePin;
  generation: string;
  /** Absent: a node that an earlier version made. */
  launch?: string;
  /** Holds the node's host-key token: always a secret. */
  userData: pulumi.Output<string>;
  network: RegionNetwork;
  owner: Owner;
  storageGb: number;
  keyName?: string;
  iamInstanceProfile?: string;
  /** US dollars an hour; absent: up to the on-demand price. */
  maxPrice?: string;
}

/**
 * One node: an instance that is replaced on any change of what reaches it. The instance's logical name carries the
 * market, because the provider shows no difference when a spot instance is to become an on-demand one.
 */
export class SpotNode extends pulumi.ComponentResource {
  readonly instance: Instance;

  constructor(args: SpotNodeArgs, options: pulumi.ComponentResourceOptions) {
    super("spot-deployer:infra:SpotNode", args.name, {}, options);
    const { pool, ami } = args.pin;
    const subnetId = args.network.subnetIds[pool.availabilityZone];
    if (!subnetId) {
      throw new pulumi.RunError(
        `node ${args.name}: no subnet in ${pool.availabilityZone}; run \`spot up\`, which decides this anew`,
      );
    }
    const tags = nodeTags(args.owner, args.name, args.generation, args.launch);
    this.instance = new Instance(
      `${args.name}-${pool.market}`,
      {
        region: pool.region,
        ami,
        instanceType: pool.instanceType,
        subnetId,
        vpcSecurityGroupIds: args.network.securityGroupIds,
        associatePublicIpAddress: true,
        keyName: args.keyName,
        iamInstanceProfile: args.iamInstanceProfile,
        userDataBase64: args.userData.apply((text) => Buffer.from(text).toString("base64")),
        userDataReplaceOnChange: true,
        instanceInitiatedShutdownBehavior: "terminate",
        instanceMarketOptions:
          pool.market === "spot"
            ? {
                marketType: "spot",
                spotOptions: {
                  spotInstanceType: "one-time",
                  instanceInterruptionBehavior: "terminate",
                  maxPrice: args.maxPrice,
                },
              }
            : undefined,
        metadataOptions: {
          httpEndpoint: "enabled",
          httpTokens: "required",
          httpPutResponseHopLimit: 1,
          instanceMetadataTags: "enabled",
        },
        rootBlockDevice: { volumeType: "gp3", volumeSize: args.storageGb, encrypted: true, deleteOnTermination: true },
        volumeTags: tags,
        tags,
      },
      {
        parent: this,
        dependsOn: args.network.ready[pool.availabilityZone],
        // The quota has no room for both while one takes the other's place.
        deleteBeforeReplace: true,
        // One-time spot instances cannot be stopped, so what AWS changes by stop and start is a replacement here.
        replaceOnChanges: ["instanceType", "iamInstanceProfile", "rootBlockDevice", "metadataOptions"],
      },
    );
    this.registerOutputs({});
  }
}
