import { type Machine, startMachine } from "tskvm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needImage } from "./need-image.ts";

const BOOT_MS = 240_000;

describe("a running machine with an agent", { timeout: BOOT_MS }, () => {
  let machine: Machine | undefined;

  beforeAll(async () => {
    machine = await startMachine({ agent: true }).catch(() => undefined);
    machine?.console.resume();
  }, BOOT_MS);

  afterAll(() => void machine?.stop());

  const words = ({ status, stdout, stderr }: Awaited<ReturnType<Machine["exec"]>>) =>
    [status, stdout.toString(), stderr.toString()] as const;

  test("runs commands with their own input, outputs, status, environment, directory and user", async (context) => {
    await needImage(context, "amd64", { modules: true });
    expect(words(await machine!.exec("echo out; echo err >&2; exit 3"))).toEqual([3, "out\n", "err\n"]);
    const stdin = `${"x".repeat(100_000)}\n`;
    const options = { stdin, cwd: "/bin", env: { A: `it's \\n "q"\nline` }, user: "nobody" };
    const expected = `${stdin}/bin\nit's \\n "q"\nline\nnobody\n`;
    expect(words(await machine!.exec('cat; pwd; echo "$A"; id -un', options))).toEqual([0, expected, ""]);
    expect((await machine!.exec("kill -9 $$")).status).toBe(137);
    await expect(machine!.exec("true", { user: "a b" })).rejects.toThrow(/no name of a user/);
  });

  test("runs more at once than there are places, and one after another that leaves its input", async (context) => {
    await needImage(context, "amd64", { modules: true });
    const numbers = Array.from({ length: 12 }, (_, n) => n);
    const results = await Promise.all(numbers.map((n) => machine!.exec(`cat; exit ${n}`, { stdin: `${n}` })));
    expect(results.map(words)).toEqual(numbers.map((n) => [n, `${n}`, ""]));
    for (const stdin of [Buffer.alloc(1_000_000, "A"), "again"])
      expect(words(await machine!.exec("head -c 5", { stdin }))).toEqual([0, stdin.toString().slice(0, 5), ""]);
  });

  test("takes and gives files byte for byte", async (context) => {
    await needImage(context, "amd64", { modules: true });
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 7 + (n >> 8)) & 255));
    await machine!.writeFile("/tmp/it's", bytes);
    expect(bytes.equals(await machine!.readFile("/tmp/it's"))).toBe(true);
    await expect(machine!.readFile("/nowhere")).rejects.toThrow(/cannot read \/nowhere.*No such file/);
  });

  test("gives a command a terminal of a size that changes, and signals", async (context) => {
    await needImage(context, "amd64", { modules: true });
    const script =
      "stty size; trap 'stty size' WINCH; trap 'echo hup; exit 9' HUP; read x; echo got $x; while :; do sleep 0.1; done";
    const process = await machine!.spawn(script, { terminal: { rows: 30, columns: 90 } });
    let shown = "";
    process.stdout.on("data", (bytes: Buffer) => {
      const before = shown;
      shown += bytes.toString();
      const first = (mark: string) => shown.includes(mark) && !before.includes(mark);
      if (first("30 90\r\n")) process.stdin.write("typed\n");
      if (first("got typed\r\n")) process.resize(11, 222);
      if (first("11 222\r\n")) process.kill("HUP");
    });
    expect(await process.status).toBe(9);
    // The signal is for the shell's child, too, and the shell may say what became of that.
    expect(shown).toMatch(/^30 90\r\ntyped\r\ngot typed\r\n11 222\r\n(Hangup\r\n)?hup\r\n$/);
  });

  test("switches off by itself; what runs then is lost", async (context) => {
    await needImage(context, "amd64", { modules: true });
    const process = await machine!.spawn("trap '' TERM; while :; do sleep 1; done");
    expect(await machine!.shutDown()).toEqual({ kind: "poweroff" });
    expect(await process.status).toBeUndefined();
    await expect(machine!.exec("true")).rejects.toThrow(/the machine has ended/);
  });
});

test("a machine without an agent says so", async (context) => {
  await needImage(context, "amd64");
  const machine = await startMachine();
  await expect(async () => machine.exec("true")).rejects.toThrow(/has no agent/);
  await machine.stop();
});
