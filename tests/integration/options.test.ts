import type { CommandDefinition } from "../../cli/runtime/command";
import type { OptionName } from "../../cli/runtime/options";
import { COMMANDS } from "../../cli/table";
import { probes, ProbeStage } from "../support/option-probes";
import { FIRST_RUN_MS } from "../support/sandbox";
import { Workbench } from "../support/workbench";
import { CleanUp } from "../support/clean-up";

/** Every option that does the same everywhere, on every command that has it. Those of one command: tests/support/effects.ts. */
describe("options that mean one thing everywhere", function () {
  this.timeout(FIRST_RUN_MS);
  const cleanUp = new CleanUp();
  let bench: Workbench;
  let stage: ProbeStage;
  before(async () => {
    bench = cleanUp.use(new Workbench());
    stage = new ProbeStage(bench);
    cleanUp.defer(() => stage[Symbol.dispose]());
    // Commands that read start no sandbox; and `status` needs a last run to tell of.
    await bench.begin();
    await stage.halted(COMMANDS.find(({ name }) => name === "down")!, "--sandbox=api");
  });
  after(() => cleanUp.run());

  for (const [option, probe] of Object.entries(probes) as [OptionName, NonNullable<(typeof probes)[OptionName]>][]) {
    describe(`--${option}`, () => {
      for (const command of COMMANDS.filter(({ options }: CommandDefinition) => options.includes(option))) {
        it(`of ${command.name}`, () => probe(stage, command));
      }
    });
  }
});
