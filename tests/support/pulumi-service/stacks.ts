import { randomUUID } from "node:crypto";
import type { UntypedDeployment } from "./bodies";
import { refusals } from "./refusal";
import { SecretKey } from "./secrets";
import { Update } from "./update";

/** What the service exports of a stack that never had a deployment. */
const EMPTY: UntypedDeployment = {
  version: 3,
  deployment: { manifest: { time: "0001-01-01T00:00:00Z", magic: "", version: "" } },
};

export interface StackName {
  org: string;
  project: string;
  stack: string;
}

export type Tags = Readonly<Record<string, string>>;

/** A stack: its state, its secrets' key, and its updates, of which one at a time may change it. */
export class Stack {
  readonly key = new SecretKey();
  deployment: UntypedDeployment = EMPTY;
  private readonly id = randomUUID();
  private readonly updates: Update[] = [];

  constructor(
    readonly name: StackName,
    public tags: Tags,
  ) {}

  get hasResources(): boolean {
    return (this.deployment.deployment.resources?.length ?? 0) > 0;
  }

  /** The update that holds the stack. It does so with an expired lease, too, until it is cancelled. */
  get active(): Update | undefined {
    return this.history.find(({ running }) => running);
  }

  /** The updates that are in the history, the latest first. */
  get history(): Update[] {
    return this.updates.filter(({ version, preview }) => version > 0 && !preview).reverse();
  }

  create(update: Update): Update {
    this.updates.push(update);
    return update;
  }

  update(id: string): Update {
    const found = this.updates.find((update) => update.id === id);
    if (!found) throw refusals.notFound(`Update '${id}'`);
    return found;
  }

  start(update: Update, tags?: Tags | null): ReturnType<Update["start"]> {
    if (!update.preview) this.requireIdle();
    const latest = this.history[0]?.version ?? 0;
    const lease = update.start(update.preview ? latest : latest + 1);
    if (tags) this.tags = tags;
    return lease;
  }

  requireIdle(): void {
    if (this.active) throw refusals.inUse();
  }

  save(update: Update, deployment: UntypedDeployment): void {
    if (update.preview) throw refusals.previewWrites();
    this.deployment = deployment;
  }

  /** An import is an update by itself; this one is over before the CLI can ask how far it is. */
  import(deployment: UntypedDeployment, author: string): Update {
    const update = this.create(new Update("import", author, false));
    this.start(update);
    this.save(update, deployment);
    update.end("succeeded", deployment);
    return update;
  }

  /** The deployment as the update of that number left it. */
  exportOf(version: number): UntypedDeployment {
    const found = this.history.find((update) => update.version === version)?.deployment;
    if (!found) throw refusals.notFound(`Version ${version}`);
    return found;
  }

  /** What both forms of it begin with. */
  private names(): object {
    const { org, project, stack } = this.name;
    return { id: this.id, orgName: org, projectName: project, stackName: stack };
  }

  /** apitype.Stack. Its activeUpdate is the latest one, even when that is over. */
  describe(): object {
    return {
      ...this.names(),
      currentOperation: this.active?.operation(),
      activeUpdate: this.history[0]?.id ?? "",
      tags: this.tags,
      version: this.history[0]?.version ?? 0,
    };
  }

  /** apitype.StackSummary. */
  summarise(): object {
    return {
      ...this.names(),
      lastUpdate: this.history[0]?.startTime,
      resourceCount: this.deployment.deployment.resources?.length,
    };
  }
}

/** What a list of stacks is narrowed by; undefined means any. */
export interface StackFilter {
  organization?: string;
  project?: string;
  tagName?: string;
  tagValue?: string;
}

/** All stacks of the service, which are all one user's. */
export class Stacks {
  private readonly all: Stack[] = [];

  constructor(private readonly user: string) {}

  add(name: StackName, tags: Tags): Stack {
    this.requireOrganization(name.org);
    const { stack } = name;
    if (this.lookUp(name)) throw refusals.stackExists(stack);
    const created = new Stack(name, tags);
    this.all.push(created);
    return created;
  }

  get(name: StackName): Stack {
    const found = this.lookUp(name);
    if (!found) throw refusals.notFound(`Stack '${name.org}/${name.project}/${name.stack}'`);
    return found;
  }

  remove(name: StackName, force: boolean): void {
    const stack = this.get(name);
    stack.requireIdle();
    if (stack.hasResources && !force) throw refusals.stillHasResources();
    this.all.splice(this.all.indexOf(stack), 1);
  }

  requireProject({ org, project }: StackName): void {
    if (!this.all.some(({ name }) => name.org === org && name.project === project))
      throw refusals.notFound(`Project '${project}'`);
  }

  list({ organization, project, tagName, tagValue }: StackFilter): Stack[] {
    return this.all.filter(
      ({ name, tags }) =>
        (organization === undefined || name.org === organization) &&
        (project === undefined || name.project === project) &&
        (tagName === undefined || (tagName in tags && (tagValue === undefined || tags[tagName] === tagValue))),
    );
  }

  private lookUp({ org, project, stack }: StackName): Stack | undefined {
    return this.all.find(({ name }) => name.org === org && name.project === project && name.stack === stack);
  }

  private requireOrganization(org: string): void {
    if (org !== this.user) throw refusals.notFound(`Organization '${org}'`);
  }
}
