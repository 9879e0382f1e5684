import { Alias, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { Document, Node, Pair, YAMLError, YAMLMap } from "yaml";
import type { Location } from "../errors";

export type ConfigPath = readonly (string | number)[];

export interface SyntaxProblem {
  message: string;
  location: Location;
}

/** A YAML file as plain data, and the way back from a path in the data to a place in the file. */
export interface ConfigDocument {
  /** Undefined when the text cannot be read as data at all. */
  value: unknown;
  /** What makes the text no YAML, in the order of the file. */
  syntax: SyntaxProblem[];
  /** Keys that stand twice in one map. The data holds the last one, so that its other faults are found too. */
  duplicateKeys: SyntaxProblem[];
  /**
   * Where the value at `path` stands, or its key. For what is not there: where the nearest thing around it stands.
   */
  locate(path: ConfigPath, part?: "key" | "value"): Location;
}

/** Reads `text`; `file` is only the name that locations carry. Never throws. */
export function readDocument(text: string, file: string): ConfigDocument {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const at = (offset: number): Location => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };

  const duplicateKeys: SyntaxProblem[] = [];
  const syntax: SyntaxProblem[] = [];
  // A tag that YAML does not know is only a warning to the parser; here it is a value that would not be what it seems.
  for (const error of [...doc.errors, ...doc.warnings]) {
    const problem = { message: syntaxMessage(error, text), location: at(error.pos[0]) };
    if (error.code === "DUPLICATE_KEY")
      duplicateKeys.push({ ...problem, message: duplicateMessage(doc, error.pos[0], at) });
    // One fault often draws others on the same line: the first is the cause.
    else if (!syntax.some(({ location }) => location.line === problem.location.line)) syntax.push(problem);
  }
  visit(doc, {
    Alias: (_, alias) => {
      if (alias.resolve(doc) !== undefined) return;
      syntax.push({
        message: `*${alias.source} refers to nothing: there is no &${alias.source} before it`,
        location: at(offsetOf(alias)),
      });
    },
  });

  let value: unknown;
  if (syntax.length === 0) {
    try {
      value = doc.toJS();
    } catch (error) {
      // The parser's guard against aliases that multiply without end.
      syntax.push({ message: error instanceof Error ? error.message : String(error), location: at(0) });
    }
  }
  return {
    value,
    syntax,
    duplicateKeys,
    locate: (path, part = "value") => at(offsetAt(doc, path, part)),
  };
}

/** The parser's words, but for the faults that people really make. */
function syntaxMessage(error: YAMLError, text: string): string {
  if (error.code === "TAB_AS_INDENT") return "a tab is used for indentation; YAML allows only spaces";
  if (error.code === "MULTIPLE_DOCS") return "a second document begins here (---); the file must hold one";
  if (error.code === "TAG_RESOLVE_FAILED")
    return `the tag ${text.slice(...error.pos)} is not known here; remove it or quote the text`;
  return error.message;
}

function duplicateMessage(doc: Document, offset: number, at: (offset: number) => Location): string {
  let message = "a key stands twice";
  visit(doc, {
    Map: (_, map) => {
      const second = map.items.find((pair) => keyOffset(pair) === offset);
      const first = second && map.items.find((pair) => keyText(pair) === keyText(second));
      if (!second || !first) return undefined;
      message = `${keyText(second)} stands twice in one place, first on line ${at(keyOffset(first)).line}`;
      return visit.BREAK;
    },
  });
  return message;
}

/** Walks down `path` as far as it exists. */
function offsetAt(doc: Document, path: ConfigPath, part: "key" | "value"): number {
  let node: Node | null = doc.contents;
  let offset = node ? offsetOf(node) : 0;
  for (const [depth, step] of path.entries()) {
    const holder = isAlias(node) ? node.resolve(doc) : node;
    const last = depth === path.length - 1;
    if (isMap(holder)) {
      const pair = pairOf(holder, String(step));
      if (!pair) return offset;
      // A key without a value has a null node that stands behind the colon: its key says more.
      const empty = !isNode(pair.value) || (isScalar(pair.value) && pair.value.value === null);
      offset = (last && part === "key") || empty ? keyOffset(pair) : offsetOf(pair.value as Node);
      node = isNode(pair.value) ? pair.value : null;
      // What is missing inside a map is best shown at the map's key, not at its first entry.
      if (!last && isMap(node) && pairOf(node, String(path[depth + 1])) === undefined) return keyOffset(pair);
    } else if (isSeq(holder) && isNode(holder.items[Number(step)])) {
      node = holder.items[Number(step)] as Node;
      offset = offsetOf(node);
    } else {
      return offset;
    }
  }
  return offset;
}

/** The last of equal keys counts, as in the data. */
const pairOf = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.filter((pair) => keyText(pair) === key).at(-1);
const keyText = (pair: Pair): string => (isScalar(pair.key) && pair.key.value === null ? "" : String(pair.key));
const keyOffset = (pair: Pair): number => (isNode(pair.key) ? offsetOf(pair.key) : 0);
const offsetOf = (node: Node | Alias): number => node.range?.[0] ?? 0;
