import type { Pins } from "../../../fleet/model";
import type { Progress } from "./progress";

/**
 * The pins that the program declares now. A node that waits for its turn keeps its market: in another one its instance
 * is another resource, so the engine would take the recorded one for something that nobody wants.
 */
export function declaredPins({ session, pending, placement: { pins } }: Progress): Pins {
  const nodes = session.state.nodes.flatMap(({ name, pin: { pool } }) => {
    const pin = pins.nodes[name];
    return pin && pending.has(name) ? [[name, { ...pin, pool: { ...pin.pool, market: pool.market } }] as const] : [];
  });
  if (nodes.length === 0) return pins;
  return { ...pins, nodes: { ...pins.nodes, ...Object.fromEntries(nodes) } };
}
