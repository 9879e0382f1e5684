import type { Standing } from "../permissions";
import type { Cloud } from "../clients";
import { inventory, type RegionInventory } from "./inventory";
import type { FleetKind } from "./kinds";
import { networkInterface } from "./kinds/network";
import { networkLook } from "./network-parts";

/**
 * One of each kind that stands of a fleet in a region, as AWS shows it now: AWS refuses a permission for what is recorded
 * and gone, if the policy wants a tag of it.
 * @throws SpotError E_CREDENTIALS, E_REGION, E_AWS
 */
export async function standingIn(cloud: Cloud, lineage: string, region: string): Promise<Standing> {
  const [{ objects, error }] = (await inventory(cloud, lineage, [region])) as [RegionInventory];
  if (error) throw error;
  const idsOf = (kind: FleetKind): string[] => objects.flatMap((object) => (object.kind === kind ? object.id : []));
  const instance = objects.find(({ kind, detail }) => kind === "instance" && detail === "running")?.id;
  const groups = idsOf("security-group");
  const vpcs = idsOf("vpc");
  const [interfaces, { rules, tables }] = await Promise.all([
    instance === undefined
      ? []
      : networkInterface.list(cloud.ec2(region), [{ Name: "attachment.instance-id", Values: [instance] }]),
    networkLook(cloud, { region, groups, vpcs }),
  ]);
  const subnets = new Set(idsOf("subnet"));
  const table = tables.value?.find(({ id }) => idsOf("route-table").includes(id));
  return {
    instance,
    interface: interfaces[0]?.id,
    volume: idsOf("volume")[0],
    vpc: vpcs[0],
    subnet: idsOf("subnet")[0],
    gateway: idsOf("internet-gateway")[0],
    table: table?.id,
    association: table?.associations.find(({ subnet }) => subnets.has(subnet))?.id,
    group: groups[0],
    rule: rules.value?.find(({ group, isEgress }) => group === groups[0] && !isEgress)?.id,
  };
}
