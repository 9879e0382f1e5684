import assert from "node:assert/strict";
import * as ec2 from "@aws-sdk/client-ec2";
import type { Sandbox } from "../../sandbox/control";
import { imageId, images } from "../../sandbox/gateway/model/images";
import { describeHosts } from "../support/describe-hosts";
import { InsideHost } from "../support/inside-host";
import { listens, reaches } from "../support/reaches";
import { clientOf, newHome, removeSandbox, startSandbox, until } from "../support/sandbox";
import { CleanUp } from "../support/clean-up";

const REGION = "us-west-2";

describeHosts("what reaches a booted host", () => {
  const cleanUp = new CleanUp();
  let home: string;
  let sandbox: Sandbox;
  let client: ec2.EC2Client;
  before(async () => {
    home = newHome();
    cleanUp.defer(() => removeSandbox(home));
    ({ sandbox } = await startSandbox(home, "hosts"));
    client = new ec2.EC2Client(clientOf(sandbox, REGION));
    cleanUp.defer(() => client.destroy());
  });
  after(() => cleanUp.run());

  const address = (value: string) => [{ IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: value }] }];

  it("is what gateway, route and group rules let through, in and out, as soon as and as long as they stand", async () => {
    const VpcId = (await client.send(new ec2.CreateVpcCommand({ CidrBlock: "10.7.0.0/16" }))).Vpc!.VpcId!;
    const SubnetId = (await client.send(new ec2.CreateSubnetCommand({ VpcId, CidrBlock: "10.7.1.0/24" }))).Subnet!
      .SubnetId!;
    const GroupId = (await client.send(new ec2.CreateSecurityGroupCommand({ VpcId, GroupName: "g", Description: "g" })))
      .GroupId!;
    const launched = await client.send(
      new ec2.RunInstancesCommand({
        ImageId: imageId(images[0]!, REGION),
        InstanceType: "t3.medium",
        MinCount: 2,
        MaxCount: 2,
        NetworkInterfaces: [{ DeviceIndex: 0, SubnetId, Groups: [GroupId], AssociatePublicIpAddress: true }],
      }),
    );
    const ids = launched.Instances!.map(({ InstanceId }) => InstanceId!);
    const described = await client.send(new ec2.DescribeInstancesCommand({ InstanceIds: ids }));
    const [one, two] = described.Reservations![0]!.Instances!.map(({ PublicIpAddress }) => PublicIpAddress!) as [
      string,
      string,
    ];
    const inside = new InsideHost(home, described.Reservations![0]!.Instances![0]!.InstanceId!);
    await Promise.all(ids.map((id) => listens(home, id)));
    const goesOut = async () =>
      (await inside.run(`timeout 1 bash -c 'exec 3<>/dev/tcp/${two}/22' 2>/dev/null && echo yes || echo no`)).trim() ===
      "yes";

    assert.equal(await reaches(one), false, "no gateway, no route, no rule");
    const RouteTableId = (await client.send(new ec2.CreateRouteTableCommand({ VpcId }))).RouteTable!.RouteTableId!;
    const InternetGatewayId = (await client.send(new ec2.CreateInternetGatewayCommand({}))).InternetGateway!
      .InternetGatewayId!;
    await client.send(new ec2.AttachInternetGatewayCommand({ VpcId, InternetGatewayId }));
    const route = { RouteTableId, DestinationCidrBlock: "0.0.0.0/0" };
    await client.send(new ec2.CreateRouteCommand({ ...route, GatewayId: InternetGatewayId }));
    await client.send(
      new ec2.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: address(`${sandbox.callerAddress}/32`) }),
    );
    assert.equal(await reaches(one), false, "a route in a table that is not the subnet's");
    await client.send(new ec2.AssociateRouteTableCommand({ RouteTableId, SubnetId }));
    await until("SSH answers", () => reaches(one));

    assert.equal(await goesOut(), false, "the other host admits this machine alone");
    await client.send(new ec2.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: address(`${one}/32`) }));
    await until("one host reaches the other", goesOut);
    const all = [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }];
    await client.send(new ec2.RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: all }));
    await until("nothing goes out any more", async () => !(await goesOut()));
    assert.equal(await reaches(one), true, "replies to what came in still do");
    assert.match(
      await inside.run(
        "curl --silent --output /dev/null --write-out '%{http_code}' --max-time 2 http://169.254.169.254/latest/meta-data/",
      ),
      /^[24]\d\d$/,
      "the metadata service needs no rule",
    );

    await client.send(
      new ec2.RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions: address(`${sandbox.callerAddress}/32`) }),
    );
    await until("this machine is shut out", async () => !(await reaches(one)));
    await client.send(
      new ec2.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: address("203.0.113.0/24") }),
    );
    assert.equal(await reaches(one), false, "a rule for somebody else");
    await client.send(
      new ec2.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: address("198.18.0.0/15") }),
    );
    await until("SSH answers again", () => reaches(one));
    await client.send(new ec2.DeleteRouteCommand(route));
    await until("without the route nothing does", async () => !(await reaches(one)));
  });
});
