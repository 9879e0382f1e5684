import { headLine } from "../text/words";
import type { OwnCheck } from "../config";
import { outside, spot } from "../steps";
import { shellQuote } from "../text/shell-quote";
import { connectCommand, judgeConnections } from "./tcp";
import type { CommandOutput, NodeCheck, Verdict } from "./types";
import { activeOf, RESTART_WINDOW, settledOf, showUnits, unitStates } from "./unit-states";
import { firstLine, lastLine } from "./expectations";

type Subject = OwnCheck["subject"];

/** How a subject is looked at: a command for the node, how to judge what it prints, and what is likely when it does not hold. */
interface Look<S> {
  title(subject: S): string;
  command(subject: S, deadlineSeconds: number): string;
  judge(output: CommandOutput, subject: S): Verdict;
  cause: string;
}

/** What timeout(1) answers when it had to end the command. */
const TIMED_OUT = 124;

const contains = (text: string, wanted: string | undefined, expected: string): Verdict => {
  const ok = wanted === undefined || text.includes(wanted);
  return {
    ok,
    expected: wanted === undefined ? expected : `${expected}, with "${wanted}" in it`,
    actual: ok ? expected : firstLine(text),
  };
};

const looks: { [K in Subject["kind"]]: Look<Extract<Subject, { kind: K }>> } = {
  command: {
    title: ({ command }) => `\`${headLine(command)}\` succeeds`,
    // By `timeout`, so that nothing of it goes on on the node when its time is over.
    command: ({ command }, seconds) => `timeout -k 1 ${seconds} bash -c ${shellQuote(command)}`,
    judge: ({ code, stdout, stderr }, subject) => {
      if (code === 0) return contains(stdout, subject.contains, "exit code 0");
      const said =
        code === TIMED_OUT ? "it did not end within its deadline" : lastLine(stderr.trim() === "" ? stdout : stderr);
      return { ok: false, expected: "exit code 0", actual: `exit code ${code}: ${said}` };
    },
    cause: "What the command looks for is not so on the node, or it could not be run there.",
  },
  http: {
    title: ({ url, status }) => `${url} answers ${status}`,
    command: ({ url }, seconds) => `curl -sS -m ${seconds} -w '\\n%{http_code}' ${shellQuote(url)}`,
    judge: ({ code, stdout, stderr }, { status, contains: wanted }) => {
      const end = stdout.lastIndexOf("\n");
      const got = stdout.slice(end + 1);
      if (code !== 0)
        return { ok: false, expected: `status ${status}`, actual: firstLine(stderr, `curl ended with ${code}`) };
      return got === String(status)
        ? contains(stdout.slice(0, end), wanted, `status ${status}`)
        : { ok: false, expected: `status ${status}`, actual: `status ${got}` };
    },
    cause: "Nothing serves this address on the node, or what serves it is not well.",
  },
  tcp: {
    title: ({ host, port }) => `${host}:${port} accepts connections`,
    command: ({ host, port }, seconds) => connectCommand([`${host}:${port}`], seconds),
    judge: ({ stdout }, { host, port }) => judgeConnections(stdout, [`${host}:${port}`]),
    cause: "Nothing listens there, or something on the way does not let the node through.",
  },
  file: {
    title: ({ path }) => `${path} exists`,
    command: ({ path, contains: wanted }) =>
      `sudo -n stat -c '%F' ${shellQuote(path)}${wanted === undefined ? "" : ` && sudo -n cat ${shellQuote(path)}`}`,
    judge: ({ code, stdout, stderr }, { contains: wanted }) =>
      code === 0
        ? contains(stdout.slice(stdout.indexOf("\n") + 1), wanted, "it exists")
        : { ok: false, expected: "it exists", actual: firstLine(stderr) },
    cause: "The file was never written, or something else was.",
  },
  service: {
    title: ({ unit }) => `${unit} active, not restarted in ${RESTART_WINDOW}`,
    command: ({ unit }) => showUnits([unit]),
    judge: ({ stdout }, { unit }) => {
      const states = unitStates(stdout);
      const active = activeOf(states, [unit]);
      return active.ok ? settledOf(states, [unit]) : active;
    },
    cause: "The unit is not installed, does not start, or ends again.",
  },
};

/** The subject decides which row of the table. It compiles because `Look` has methods, whose parameters may be narrower. */
const lookOf = (subject: Subject): Look<Subject> => looks[subject.kind];

/** The user's own checks of config.yaml as checks of the list: id `U-<name>`, run on the node once its startup is done. */
export function ownChecks(checks: readonly OwnCheck[]): NodeCheck[] {
  return checks.map(({ name, subject, deadlineSeconds, retrySeconds, severity }) => {
    const look = lookOf(subject);
    return {
      id: `U-${name}`,
      title: look.title(subject),
      phase: "own",
      where: "node",
      needs: ["B5"],
      after: ["F5"],
      severity,
      // The command itself ends first, and so can say why.
      deadlineMs: (deadlineSeconds + 1) * 1000,
      ...(retrySeconds > 0 ? { patienceMs: retrySeconds * 1000 } : {}),
      command: () => look.command(subject, deadlineSeconds),
      judge: (output) => ({ ...look.judge(output, subject), ...(retrySeconds > 0 ? { pending: true } : {}) }),
      cause: look.cause,
      next: `Run the command on the node (\`ssh NODE\`). When the node is right and the expectation is not, correct \`checks:\` (${name}) in config.yaml; otherwise what makes the node so. Then run \`up\`.`,
      step: outside("correct-own-check", spot("up")),
    };
  });
}
