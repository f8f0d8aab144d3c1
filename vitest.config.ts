import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{src,test,tools,bench}/**/*.test.{ts,mjs}"],
    reporters: ["default", "./tools/reporter.mjs"],
    testTimeout: 20_000,
  },
});
