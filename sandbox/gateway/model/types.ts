import { AwsError } from "../protocol/call";
import { filterParams } from "./ask";
import type { Cloud } from "./rule";
import { items, text } from "../protocol/xml";

export interface InstanceType {
  architectures: string[];
  vcpus: number;
  memoryGiB: number;
  /** It lives on CPU credits. */
  isBurstable: boolean;
}

/** Machine types and where they are offered: real data that moto carries and that does not change while it runs. */
export class InstanceTypes {
  private readonly types = new Map<string, Promise<InstanceType | undefined>>();
  private readonly zones = new Map<string, Promise<string[]>>();

  /** Undefined for a type that does not exist. */
  type(cloud: Cloud, region: string, name: string): Promise<InstanceType | undefined> {
    return remember(this.types, name, async () => {
      try {
        const found = items(
          await cloud.moto.ask(region, "DescribeInstanceTypes", { "InstanceType.1": name }),
          "instanceTypeSet",
        )[0];
        const processor = found?.["processorInfo"];
        const architectures = items(
          typeof processor === "object" && !Array.isArray(processor) ? processor : undefined,
          "supportedArchitectures",
        );
        return {
          architectures: architectures.map(String),
          vcpus: Number(text(found, "vCpuInfo", "defaultVCpus")),
          memoryGiB: Number(text(found, "memoryInfo", "sizeInMiB")) / 1024,
          isBurstable: text(found, "burstablePerformanceSupported") === "true",
        };
      } catch (error) {
        if (error instanceof AwsError && error.code === "InvalidInstanceType") return undefined;
        throw error;
      }
    });
  }

  /** The zones of a region that offer a type. */
  offeredIn(cloud: Cloud, region: string, name: string): Promise<string[]> {
    return remember(this.zones, `${region}/${name}`, async () => {
      const answer = await cloud.moto.ask(region, "DescribeInstanceTypeOfferings", {
        LocationType: "availability-zone",
        ...filterParams({ "instance-type": [name] }),
      });
      return items(answer, "instanceTypeOfferingSet")
        .map((offering) => text(offering, "location"))
        .sort();
    });
  }
}

/** One question per key; a failed one is asked again. */
function remember<T>(answers: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = ask();
    answers.set(key, answer);
    answer.catch(() => answers.delete(key));
  }
  return answer;
}
