import { readCall, AwsError, type Answer } from "../../sandbox/gateway/protocol/call";
import { Instances } from "../../sandbox/gateway/model/instances";
import { Moto } from "../../sandbox/gateway/protocol/moto";
import { Quotas } from "../../sandbox/gateway/model/quotas";
import { Rulebook, type Cloud } from "../../sandbox/gateway/model/rule";
import { rules } from "../../sandbox/gateway/rules";
import { defaultTimings } from "../../sandbox/gateway/model/timings";
import { InstanceTypes } from "../../sandbox/gateway/model/types";
import { ec2Answer, parseXml, type Node } from "../../sandbox/gateway/protocol/xml";
import { noHosts } from "../../sandbox/hosts/no-hosts";

/** What the emulated AWS answers to an action; of a function, to these parameters. */
export type Script = Record<string, Record<string, unknown> | ((params: URLSearchParams) => Record<string, unknown>)>;

/** An emulated AWS that has its answers by heart, and remembers what it was asked. */
class ScriptedMoto extends Moto {
  readonly asked: string[] = [];

  constructor(private readonly script: Script) {
    super(0);
  }

  override pass({ action, params }: { action: string; params: URLSearchParams }): Promise<Answer> {
    this.asked.push(action);
    const entry = this.script[action] ?? {};
    return Promise.resolve(ec2Answer(action, { ...(typeof entry === "function" ? entry(params) : entry) }));
  }

  override async ask(_region: string, action: string, params: Record<string, string> = {}): Promise<Node> {
    return parseXml((await this.pass({ action, params: new URLSearchParams(params) })).body);
  }
}

export interface ScriptedCloud {
  cloud: Cloud;
  /** Actions that reached the emulated AWS, in their order. */
  asked: string[];
  /** Sets the clock, in milliseconds since 1970. */
  setTime: (ms: number) => void;
  /** The code of the refusal, or the answer's content. */
  call: (
    action: string,
    params?: Record<string, string>,
    where?: { region?: string; service?: string; json?: true },
  ) => Promise<string | Node>;
}

/** The gateway's rules before a scripted AWS: a call goes through all of them, as in a sandbox. */
export function scriptedCloud(script: Script, changes: Partial<Cloud> = {}): ScriptedCloud {
  const moto = new ScriptedMoto(script);
  let time = 0;
  const cloud: Cloud = {
    moto,
    network: "198.18.7.0/24",
    driver: noHosts,
    instances: new Instances(noHosts, () => undefined),
    publicKeys: new Map(),
    types: new InstanceTypes(),
    spotRequests: new Map(),
    cpuCredits: new Map(),
    launches: new Map(),
    quotas: new Quotas(),
    timings: { ...defaultTimings },
    bornAt: new Map(),
    natsDeleting: new Map(),
    now: () => new Date(time),
    ...changes,
  };
  const rulebook = new Rulebook(rules);
  return {
    cloud,
    asked: moto.asked,
    setTime: (ms) => (time = ms),
    call: async (action, params = {}, { region = "us-west-2", service = "ec2", json } = {}) => {
      const headers = {
        authorization: `AWS4-HMAC-SHA256 Credential=sandbox/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
        ...(json ? { "x-amz-target": `T.${action}` } : {}),
      };
      const call = readCall(
        "/",
        headers,
        json ? JSON.stringify(params) : new URLSearchParams({ Action: action, ...params }).toString(),
      );
      if (call === undefined) throw new Error("not a call");
      try {
        const { body } = await rulebook.answer(call, cloud);
        return json ? (JSON.parse(body) as Node) : parseXml(body);
      } catch (error) {
        if (error instanceof AwsError) return error.code;
        throw error;
      }
    },
  };
}

/** A list of EC2's. */
export const list = <T>(...item: T[]): { item: T[] } => ({ item });
