import { describe } from "vitest";
import { codeSuite } from "./code.suite.ts";
import { debugSuite } from "./debug.suite.ts";
import { exitsSuite } from "./exits.suite.ts";
import type { Subject } from "./guest.ts";
import { injectionSuite } from "./injection.suite.ts";
import { instructionsSuite } from "./instructions.suite.ts";
import { interruptsSuite } from "./interrupts.suite.ts";
import { ioeventfdSuite } from "./ioeventfd.suite.ts";
import { memorySuite } from "./memory.suite.ts";

import { msrSuite } from "./msr.suite.ts";

import { optionalSuite } from "./optional.suite.ts";

import { paravirtSuite } from "./paravirt.suite.ts";
import { picSuite } from "./pic.suite.ts";
import { randomCodeSuite } from "./random-code.suite.ts";
import { smmSuite } from "./smm.suite.ts";
import { stateSuite } from "./state.suite.ts";
import { taskPrioritySuite } from "./task-priority.suite.ts";
import { xsaveSuite } from "./xsave.suite.ts";

/** What every engine must do alike, through the KVM API alone, with guests written by hand. */
export function engineSuite(name: string, makeSubject: () => Subject): void {
  describe(`engine ${name}`, () => {
    exitsSuite(makeSubject);
    memorySuite(makeSubject);
    codeSuite(makeSubject);
    debugSuite(makeSubject);
    interruptsSuite(makeSubject);
    injectionSuite(makeSubject);
    picSuite(makeSubject);
    taskPrioritySuite(makeSubject);
    ioeventfdSuite(makeSubject);
    paravirtSuite(makeSubject);
    instructionsSuite(makeSubject);
    msrSuite(makeSubject);
    smmSuite(makeSubject);
    stateSuite(makeSubject);
    xsaveSuite(makeSubject);
    optionalSuite(makeSubject);
    randomCodeSuite(makeSubject);
  });
}
