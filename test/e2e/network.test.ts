import { createHash, randomBytes } from "node:crypto";
import { createServer as createHttpServer, get } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { startMachine } from "tskvm";
import { afterAll, expect, test } from "vitest";
import { needImage } from "./need-image.ts";
import { tskvm } from "./tskvm.ts";

const BOOT_MS = 240_000;
const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

const md5 = (data: Uint8Array) => createHash("md5").update(data).digest("hex");

test("a guest reaches the host's servers: name service, downloads and uploads", {
  timeout: BOOT_MS,
}, async (context) => {
  await needImage(context, "amd64", { modules: true });
  const file = randomBytes(3_000_000);
  const download = await portOf(createHttpServer((_request, response) => response.end(file)));
  let uploaded = "";
  const upload = createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash("md5");
    socket.on("data", (data) => hash.update(data));
    socket.on("end", () => {
      uploaded = hash.digest("hex");
      socket.end();
    });
  });
  const command = `ping -c 1 10.0.2.2 >/dev/null && nslookup localhost | grep -c 127.0.0.1
    wget -q -O /tmp/file http://10.0.2.2:${download}/ && md5sum </tmp/file
    for n in 1 2 3 4; do wget -q -O /tmp/file$n http://10.0.2.2:${download}/ & done; wait
    cat /tmp/file? | md5sum
    nc 10.0.2.2 ${await portOf(upload)} </tmp/file; wget -O - http://10.0.2.2:1/ 2>&1 | tail -n 1`;
  const network = ["--network", "user,host-loopback", "--exec", command, "--timeout", "230"];
  const { status, stdout } = await tskvm(["run", ...network]);
  const four = md5(Buffer.concat([file, file, file, file]));
  const refused = "wget: can't connect to remote host (10.0.2.2): Connection refused";
  expect([status, stdout]).toEqual([0, `1\n${md5(file)}  -\n${four}  -\n${refused}\n`]);
  expect(uploaded).toBe(md5(file));
});

test("a forwarded port leads to a server in the guest", { timeout: BOOT_MS }, async (context) => {
  await needImage(context, "amd64", { modules: true });
  const free = createServer();
  const hostPort = await portOf(free);
  await new Promise((resolve) => free.close(resolve));
  const machine = await startMachine({
    command: "mkdir /www; echo served >/www/page; httpd -f -p 80 -h /www",
    network: { forwards: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort, guestPort: 80 }] },
  });
  machine.console.resume();
  const fetchPage = () =>
    new Promise<string | undefined>((resolve) => {
      const request = get({ host: "127.0.0.1", port: hostPort, path: "/page", timeout: 2000 }, (response) => {
        let text = "";
        response.on("data", (data: Buffer) => {
          text += data;
        });
        response.on("end", () => resolve(text));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(undefined));
    });
  let page: string | undefined;
  for (let attempt = 0; page === undefined && attempt < 300; attempt++) {
    page = await fetchPage();
    if (page === undefined) await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await machine.stop();
  expect(page).toBe("served\n");
});
