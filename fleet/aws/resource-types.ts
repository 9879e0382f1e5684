/** Pulumi's type tokens of what a fleet is made of (`infra/` declares them), by our word for each. */
export const AwsType = {
  instance: "aws:ec2/instance:Instance",
  /** Of no resource of its own: a root volume goes with its instance. Notes of runs name it so. */
  volume: "aws:ebs/volume:Volume",
  vpc: "aws:ec2/vpc:Vpc",
  subnet: "aws:ec2/subnet:Subnet",
  internetGateway: "aws:ec2/internetGateway:InternetGateway",
  routeTable: "aws:ec2/routeTable:RouteTable",
  route: "aws:ec2/route:Route",
  association: "aws:ec2/routeTableAssociation:RouteTableAssociation",
  securityGroup: "aws:ec2/securityGroup:SecurityGroup",
  ingressRule: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  egressRule: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
} as const;

/** Something in the cloud. Of the program alone are components, providers and the decisions that it records. */
export function isOfAws(type: string): boolean {
  return type.startsWith("aws:");
}
