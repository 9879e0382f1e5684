import { createHash } from "node:crypto";

type JsonObject = Readonly<Record<string, unknown>>;

/** What the start of a node makes of its settings, but for the `sensor_id`, which follows from the instance's id. */
export interface RenderedSettings {
  sensor: JsonObject;
  /** Absent: the node runs no Bacalhau. A token is told by its sha256 (`withoutTokens`). */
  bacalhau?: JsonObject & { Labels: JsonObject };
}

/** What the configuration of Bacalhau is made of. */
export interface BacalhauInputs {
  /** instance/config/bacalhau.json */
  template: JsonObject;
  orchestrators: readonly string[];
  allowedPaths: readonly string[];
  /** The user's; the node's own win. */
  labels: Readonly<Record<string, string>>;
  /** What the node adds of itself. */
  ownLabels: Readonly<Record<string, string>>;
  token?: string;
}

/** The configuration of Bacalhau on a node: the same as instance/scripts/workloads.py renders, tokens aside. */
export function renderedBacalhau(inputs: BacalhauInputs): JsonObject & { Labels: JsonObject } {
  const { template, orchestrators, allowedPaths, token } = inputs;
  const compute = typeof template.Compute === "object" ? template.Compute : {};
  const rendered = {
    ...template,
    Compute: {
      ...compute,
      Orchestrators: orchestrators,
      ...(token === undefined ? {} : { Auth: { Token: token } }),
      ...(allowedPaths.length === 0 ? {} : { AllowListedLocalPaths: allowedPaths }),
    },
    Labels: { ...inputs.labels, ...inputs.ownLabels },
  };
  return withoutTokens(rendered) as typeof rendered;
}

/** JSON with the sha256 in the place of each text that is called `Token`: comparable, and no secret. */
export function withoutTokens(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTokens);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "Token" && typeof item === "string"
        ? createHash("sha256").update(item).digest("hex")
        : withoutTokens(item),
    ]),
  );
}
