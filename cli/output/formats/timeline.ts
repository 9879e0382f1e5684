import type { Phase } from "../../../fleet/checks";
import type { NodeVerification } from "../../../automation/verify/result";

/** A step of a node's life on a scale that begins at its launch (or at the first thing known). Seconds. */
export interface Bar {
  name: string;
  phase: Phase;
  from: number;
  length: number;
  /** It has no end of its own: something happened then, and lasts. */
  isMoment: boolean;
}

/** Everything that the checks learned of when things happened, in order. */
export function timelineOf({ results }: NodeVerification): { bars: Bar[]; seconds: number } {
  const spans = results.flatMap(({ phase, spans: found = [] }) =>
    found.flatMap(({ name, start, end }) => {
      const from = Date.parse(start) / 1000;
      const to = Date.parse(end ?? start) / 1000;
      return Number.isFinite(from) && Number.isFinite(to)
        ? [{ name, phase, from, to, isMoment: end === undefined }]
        : [];
    }),
  );
  const first = Math.min(...spans.map(({ from }) => from));
  const last = Math.max(...spans.map(({ to }) => to));
  const bars = spans
    .map(({ name, phase, from, to, isMoment }) => ({
      name,
      phase,
      from: from - first,
      length: Math.max(0, to - from),
      isMoment,
    }))
    .sort((a, b) => a.from - b.from || a.length - b.length);
  return { bars, seconds: spans.length === 0 ? 0 : Math.max(0.1, last - first) };
}
