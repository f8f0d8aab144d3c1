import { describe } from "vitest";
import { exitsSuite } from "./exits.suite.ts";
import type { Subject } from "./guest.ts";

/** What every engine must do alike, through the KVM API alone, with guests written by hand. */
export function engineSuite(name: string, makeSubject: () => Subject): void {
  describe(`engine ${name}`, () => {
    exitsSuite(makeSubject);
  });
}
