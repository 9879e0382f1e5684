import type { CommonInputs, ResourceType } from "../common/resource";
import { instance } from "./instance";
import { internetGateway } from "./internet-gateway";
import { route } from "./route";
import { routeTable } from "./route-table";
import { routeTableAssociation } from "./route-table-association";
import { securityGroup } from "./security-group";
import { securityGroupEgressRule, securityGroupIngressRule } from "./security-group-rule";
import { subnet } from "./subnet";
import { vpc } from "./vpc";

/** Every type that the stand-in serves, by Pulumi's token: those that infra/ uses and no other. */
export const resourceTypes: ReadonlyMap<string, ResourceType<CommonInputs>> = new Map(
  [
    vpc,
    subnet,
    internetGateway,
    routeTable,
    route,
    routeTableAssociation,
    securityGroup,
    securityGroupIngressRule,
    securityGroupEgressRule,
    instance,
    // The table erases what each type knows of its inputs; `check` has refused all others by then.
  ].map((type) => [type.token, type as ResourceType<CommonInputs>]),
);
