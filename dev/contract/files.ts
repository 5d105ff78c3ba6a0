import { pythonTypes } from "./python-types.ts";
import { answerContract, payloadContract } from "./schema.ts";

const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;

/** The files that are written from the contract, by their paths in the checkout. */
export function contractFiles(): Record<string, string> {
  const payloads = payloadContract();
  return {
    "host/agent/payload.schema.json": json(payloads),
    "host/agent/payloads.py": pythonTypes(payloads),
    // Only the tests read it, so it does not travel with the agent.
    "host/answer.schema.json": json(answerContract()),
  };
}
