import path from "node:path";

/** Where this package lies: Pulumi.yaml, instance/ and the shipped config.yaml are here. */
export function packageRoot(): string {
  return path.resolve(__dirname, "..", "..");
}
