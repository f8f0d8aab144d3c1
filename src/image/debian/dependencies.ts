/** Which packages a set of packages needs [debian-policy 7]. */

import { UserError } from "../../base/assert.ts";
import type { Package, PackageIndexes } from "./archive.ts";

/** A relation such as "a (>= 1) | b [amd64]": the names, the preferred one first. */
function alternatives(relation: string): string[] {
  return relation
    .split("|")
    .map((each) => /^\s*([a-z0-9][a-z0-9+.-]+)/.exec(each)?.[1])
    .filter((name) => name !== undefined);
}

function relations(field: string): string[] {
  return field.split(",").filter((relation) => relation.trim() !== "");
}

/** The names that a package provides beside its own. */
function provided({ provides }: Package): string[] {
  return relations(provides).flatMap(alternatives);
}

/**
 * These packages and all that they depend on. Versions are not compared, because an archive's newest packages fit one another. Of
 * alternatives the first one that is chosen already is taken, else the first one that there is. Throws UserError if there is none.
 */
export function resolveDependencies(indexes: PackageIndexes, names: readonly string[]): Package[] {
  const chosen = new Map<string, Package>();
  const virtual = new Set<string>();
  const choose = (name: string) => {
    const found = indexes.find(name);
    chosen.set(name, found);
    for (const each of provided(found)) virtual.add(each);
  };
  for (const name of new Set(names)) choose(name);
  // a map goes on with what is added to it meanwhile
  for (const { name, preDepends, depends } of chosen.values())
    for (const relation of relations(`${preDepends},${depends}`)) {
      const options = alternatives(relation);
      if (options.some((option) => chosen.has(option) || virtual.has(option))) continue;
      choose(firstOf(indexes, options, `${name} needs ${relation.trim()}`));
    }
  return [...chosen.values()];
}

function firstOf(indexes: PackageIndexes, names: readonly string[], why: string): string {
  const real = names.find((name) => indexes.has(name));
  if (real !== undefined) return real;
  const providers = names.flatMap((name) => {
    const escaped = name.replaceAll(/[.+]/g, "\\$&");
    return indexes.select(new RegExp(`^Provides:.*(?<![a-z0-9+.-])${escaped}(?![a-z0-9+.-])`, "m"));
  });
  const first = providers[0];
  if (first !== undefined) return first;
  throw new UserError(`${why}, which the archive has not`, "Name another mirror with --mirror.");
}
