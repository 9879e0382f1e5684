import { wordsOf } from "../../../fleet/errors";
import { deleteOfFleet } from "../../../cloud/resources/delete";
import type { FleetObject } from "../../../cloud/resources/find";
import type { Session } from "../../session";

/** Deletes objects of one fleet and tells of each; what cannot be deleted is told too, and shows in the proof. */
export async function deleteByTags(session: Session, objects: readonly FleetObject[]): Promise<void> {
  if (objects.length === 0) return;
  const emit = (level: "info" | "warning", object: FleetObject, message: string) =>
    session.reporter.emit({
      type: "message",
      level,
      subject: object.region,
      message: `${object.kind} ${object.id} ${message}`,
    });
  const failures = await deleteOfFleet(session.cloud, objects, {
    signal: session.interrupts.hard,
    onDeleted: (object) => emit("info", object, "deleted by its tag"),
  });
  for (const { object, error } of failures) emit("warning", object, `could not be deleted: ${wordsOf(error)}`);
}
