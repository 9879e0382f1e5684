import { foreignAddress } from "../model/addresses";
import { after, type Rule } from "../model/rule";

export const addressRules: Rule[] = [
  after("ec2:*", (call, answer, cloud) => {
    if (!/Instances$|NetworkInterface|Address/.test(call.action)) return;
    const foreign = foreignAddress(answer.body, cloud.network);
    if (foreign !== undefined)
      throw new Error(`the emulated AWS gave out ${foreign}, which is not in ${cloud.network}`);
  }),
];
