import { UserError } from "../../base/assert.ts";
import type { RootFacts } from "./root-disk.ts";

/** Who a program runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Who "user", "uid", "user:group" and so on mean in a root [OCI image-spec, config.md, "User"]; root if it is empty. A user's
 * further groups come with it unless a group is named. Throws UserError for a name that the root does not know.
 */
export function identityOf(text: string, { passwd, group }: RootFacts): Identity {
  const [userText = "", groupText] = (text || "0").split(/:(.*)/s, 2) as [string, string | undefined];
  const users = rows(passwd).map(
    ([name = "", , uid, gid, , home = "/"]): User => ({ name, uid: Number(uid), gid: Number(gid), home }),
  );
  const groups = rows(group).map(
    ([name = "", , gid, members = ""]): Group => ({ name, gid: Number(gid), members: members.split(",") }),
  );
  const { name, uid, gid, home } = findUser(userText || "0", users);
  if (groupText) return { uid, gid: findGroup(groupText, groups), groups: [], home };
  const further = groups.filter(({ members }) => name !== "" && members.includes(name));
  return { uid, gid, groups: [gid, ...further.map((each) => each.gid)], home };
}

function rows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.includes(":"))
    .map((line) => line.split(":"));
}

function findUser(text: string, users: readonly User[]): User {
  const named = users.find(({ name }) => name === text);
  if (named) return named;
  if (!/^\d{1,10}$/.test(text)) throw new UserError(`the image has no user ${text}`, "Its /etc/passwd lists them.");
  return users.find(({ uid }) => uid === Number(text)) ?? { name: "", uid: Number(text), gid: 0, home: "/" };
}

function findGroup(text: string, groups: readonly Group[]): number {
  const named = groups.find(({ name }) => name === text);
  if (named) return named.gid;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new UserError(`the image has no group ${text}`, "Its /etc/group lists them.");
}
