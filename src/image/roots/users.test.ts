import { expect, test } from "vitest";
import { identityOf } from "./users.ts";

const ROOT = {
  passwd: "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:,,,:/srv/app:/bin/sh\n# no line\n",
  group: "root:x:0:\nstaff:x:50:app,other\nvideo:x:44:app\n",
};

test.each([
  ["", { uid: 0, gid: 0, groups: [0], home: "/root" }],
  ["app", { uid: 1000, gid: 1001, groups: [1001, 50, 44], home: "/srv/app" }],
  ["1000", { uid: 1000, gid: 1001, groups: [1001, 50, 44], home: "/srv/app" }],
  ["app:video", { uid: 1000, gid: 44, groups: [], home: "/srv/app" }],
  ["7:8", { uid: 7, gid: 8, groups: [], home: "/" }],
  ["7", { uid: 7, gid: 0, groups: [0], home: "/" }],
])('"%s"', (text, identity) => expect(identityOf(text, ROOT)).toEqual(identity));

test("names that the root does not know are refused", () => {
  expect(() => identityOf("nobody", ROOT)).toThrow("no user nobody");
  expect(() => identityOf("app:nobody", ROOT)).toThrow("no group nobody");
});
