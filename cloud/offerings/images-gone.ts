import { DescribeImagesCommand } from "@aws-sdk/client-ec2";
import type { Cloud } from "../clients";
import { awsError } from "../errors";

/** Of these images of a region, those that are not there any more. @throws SpotError where AWS does not say */
export async function imagesGone(cloud: Cloud, region: string, ids: readonly string[]): Promise<string[]> {
  try {
    // Asked for by id, one that is gone would be an error that hides the others.
    const { Images = [] } = await cloud
      .ec2(region)
      .send(new DescribeImagesCommand({ Filters: [{ Name: "image-id", Values: [...ids] }] }));
    const there = new Set(Images.map(({ ImageId }) => ImageId));
    return ids.filter((id) => !there.has(id));
  } catch (error) {
    throw awsError(error, `DescribeImages in ${region}`);
  }
}
