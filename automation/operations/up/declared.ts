import type { Pins } from "../../../fleet/model";
import type { Progress } from "./progress";

/**
 * The pins that the program declares now. A node that waits for its turn keeps its market: in another one its instance
 * is another resource, so the engine would take the recorded one for something that nobody wants.
 */
export function declaredPins({ session, pending, placement: { pins } }: Progress): Pins {
  const waiting = session.state.nodes.filter(({ name }) => pending.has(name) && name in pins.nodes);
  if (waiting.length === 0) return pins;
  const nodes = waiting.map(({ name, pin: { pool } }) => {
    const pin = pins.nodes[name]!;
    return [name, { ...pin, pool: { ...pin.pool, market: pool.market } }] as const;
  });
  return { ...pins, nodes: { ...pins.nodes, ...Object.fromEntries(nodes) } };
}
