import { UserError } from "../../base/assert.ts";

/** The name of an image in a registry [OCI distribution-spec, "Pulling manifests"; docker's names]. */
export interface Reference {
  /** Host, and port if it is given; "docker.io" by default. */
  readonly registry: string;
  readonly repository: string;
  /** What the manifest is asked for by: a tag, or a digest. */
  readonly version: string;
}

const DEFAULT_REGISTRY = "docker.io";
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const REGISTRY = /^(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
/** The only algorithm that there is in practice. */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Reads "[REGISTRY/]NAME[:TAG][@DIGEST]". Throws UserError. */
export function parseReference(text: string): Reference {
  const [named = "", digest] = text.split("@", 2) as [string, string | undefined];
  const slash = named.indexOf("/");
  const first = named.slice(0, Math.max(slash, 0));
  const hasRegistry = first === "localhost" || /[.:[]/.test(first);
  const registry = hasRegistry ? first : DEFAULT_REGISTRY;
  const rest = hasRegistry ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(":");
  const name = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? "latest" : rest.slice(colon + 1);
  const repository = registry === DEFAULT_REGISTRY && !name.includes("/") ? `library/${name}` : name;
  const isRight = REPOSITORY.test(repository) && TAG.test(tag) && REGISTRY.test(registry);
  if (!isRight || (digest !== undefined && !DIGEST.test(digest))) throw noReference(text);
  return { registry, repository, version: digest ?? tag };
}

function noReference(text: string): UserError {
  const lower = text.toLowerCase();
  return new UserError(
    `"${text}" is no name of an image`,
    lower === text
      ? "Write it like alpine, ghcr.io/owner/name:tag or localhost:5000/name@sha256:...; `tskvm images` lists ours."
      : `Names have no capital letters: ${lower}.`,
  );
}

/** The whole name, for instance "docker.io/library/alpine:latest". */
export function formatReference({ registry, repository, version }: Reference): string {
  return `${registry}/${repository}${DIGEST.test(version) ? "@" : ":"}${version}`;
}
