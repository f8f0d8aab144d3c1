/** The project's folder: for a source in test/isa and for a program that is bundled into dist/test. */
export const ROOT = new URL("../../", import.meta.url);
