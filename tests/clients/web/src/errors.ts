// What went wrong, from the details that the mesh's errors carry.

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb";

export interface Problem {
  /** For programs: one of the contract's ErrorReason, such as OUT_OF_STOCK; empty if the mesh did not answer. */
  reason: string;
  /** For the form: each wrong field with what it would accept. */
  fields: { field: string; description: string }[];
  /** For people. */
  text: string;
}

export function explain(error: unknown): Problem {
  const failed = ConnectError.from(error);
  const reason = failed.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
  const fields = failed.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  const wrong = fields.map(({ field, description }) => `${field} ${description}`).join("; ");
  const said = wrong || failed.rawMessage;
  return { reason, fields, text: `${said} (${Code[failed.code]}${reason && `, ${reason}`})` };
}
