import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** The key of Docker Hub in docker's configuration. */
const HUB_KEY = "https://index.docker.io/v1/";

/**
 * What a registry is told of who we are, "USER:PASSWORD" in base64, from docker's config.json in $DOCKER_CONFIG or ~/.docker;
 * undefined if it says nothing. Programs that keep credentials are not asked.
 */
export async function findCredentials(registry: string, env = process.env): Promise<string | undefined> {
  const directory = env.DOCKER_CONFIG || join(homedir(), ".docker");
  const text = await readFile(join(directory, "config.json"), "utf8").catch(() => "{}");
  const auths = readAuths(text);
  const keys = registry === "docker.io" ? [HUB_KEY, registry] : [registry, `https://${registry}`, `http://${registry}`];
  return keys.map((key) => auths.get(key)).find((auth) => auth !== undefined);
}

function readAuths(text: string): Map<string, string> {
  try {
    const { auths = {} } = JSON.parse(text) as { auths?: Record<string, { auth?: unknown }> };
    const entries = Object.entries(auths).flatMap(([key, { auth }]) =>
      typeof auth === "string" && auth !== ""
        ? [[key.replace(/\/$/, (end) => (key === HUB_KEY ? end : "")), auth] as const]
        : [],
    );
    return new Map(entries);
  } catch {
    return new Map();
  }
}
