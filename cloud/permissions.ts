import {
  CreateInternetGatewayCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type EC2Client,
} from "@aws-sdk/client-ec2";
import { classifyFailure } from "../fleet/aws/error-codes";
import type { Step } from "../fleet/steps";
import { VPC_CIDR } from "../fleet/aws/network";
import type { Cloud } from "./clients";

/** Ids that name nothing: AWS judges the permission before it looks whether they exist. */
const NOTHING = { vpc: "vpc-00000000000000000", instance: "i-00000000000000000" };

interface Probe {
  action: string;
  /** False: needed only when the fleet makes its own network. */
  always: boolean;
  ask: (client: EC2Client, launch: ProbeLaunch) => Promise<unknown>;
}

export interface ProbeLaunch {
  ami: string;
  machineType: string;
}

/** What `up` and `down` must be allowed. To add one, add a row. */
const PROBES: readonly Probe[] = [
  {
    action: "RunInstances",
    always: true,
    ask: (client, { ami, machineType }) =>
      client.send(
        new RunInstancesCommand({
          DryRun: true,
          ImageId: ami,
          InstanceType: machineType as never,
          MinCount: 1,
          MaxCount: 1,
        }),
      ),
  },
  {
    action: "TerminateInstances",
    always: true,
    ask: (client) => client.send(new TerminateInstancesCommand({ DryRun: true, InstanceIds: [NOTHING.instance] })),
  },
  {
    action: "CreateSecurityGroup",
    always: true,
    ask: (client) =>
      client.send(
        new CreateSecurityGroupCommand({
          DryRun: true,
          GroupName: "spot-deployer-probe",
          Description: "permission probe",
        }),
      ),
  },
  {
    action: "CreateVpc",
    always: false,
    ask: (client) => client.send(new CreateVpcCommand({ DryRun: true, CidrBlock: VPC_CIDR })),
  },
  {
    action: "CreateSubnet",
    always: false,
    ask: (client) => client.send(new CreateSubnetCommand({ DryRun: true, VpcId: NOTHING.vpc, CidrBlock: VPC_CIDR })),
  },
  {
    action: "CreateInternetGateway",
    always: false,
    ask: (client) => client.send(new CreateInternetGatewayCommand({ DryRun: true })),
  },
  {
    action: "CreateRouteTable",
    always: false,
    ask: (client) => client.send(new CreateRouteTableCommand({ DryRun: true, VpcId: NOTHING.vpc })),
  },
];

/** An action that AWS would refuse. */
export interface Denied {
  action: string;
  awsCode: string;
  next: string;
  step: Step;
}

/**
 * Asks AWS with DryRun whether the actions that a fleet needs are allowed. Nothing is made. An answer other than a
 * refusal of the permission proves nothing against it (an id that does not exist, a quota that is used up).
 */
export async function deniedActions(
  cloud: Cloud,
  region: string,
  launch: ProbeLaunch,
  makesNetwork: boolean,
): Promise<Denied[]> {
  const client = cloud.ec2(region);
  const answers = await Promise.all(
    PROBES.filter(({ always }) => always || makesNetwork).map(async ({ action, ask }): Promise<Denied | undefined> => {
      try {
        await ask(client, launch);
        return undefined;
      } catch (error) {
        const name = (error as { name?: string }).name ?? "";
        const { class: failureClass, awsCode = name, next, step } = classifyFailure(`${name}: `);
        return failureClass === "auth" ? { action, awsCode, next, step } : undefined;
      }
    }),
  );
  return answers.filter((answer) => answer !== undefined);
}
