import type { Duplex } from "node:stream";
import type { ChannelPort } from "../backend/chardev/ring-backend.ts";
import { type ExecChannel, ExecInput } from "../image/exec-channel.ts";
import { deferred } from "./deferred.ts";
import { GuestStream, type StreamCodec } from "./guest-stream.ts";

/** The command that a guest runs. */
export interface GuestCommand {
  /** Reading gives the command's output and errors; writing is its input, if it was given one. */
  readonly stdio: Duplex;
  /** The command's exit status, 128 + n if signal n ended it; undefined if the machine ended before the command did. */
  readonly status: Promise<number | undefined>;
}

/** Follows a command over the second serial port; `onEnd` is called when its status is known. */
export function followCommand(port: ChannelPort, channel: ExecChannel, onEnd: () => void): GuestCommand {
  const started = deferred<void>();
  const status = deferred<number | undefined>();
  const codec: StreamCodec = {
    decode(bytes) {
      const output = channel.feed(bytes);
      if (channel.started) started.resolve();
      if (channel.status !== undefined) {
        status.resolve(channel.status);
        onEnd();
      }
      return output;
    },
    encode: (bytes) => ExecInput.encode(bytes),
    end: () => ExecInput.end(),
    ready: started.promise,
    over() {
      started.resolve();
      status.resolve(undefined);
    },
  };
  return { stdio: new GuestStream(port, codec), status: status.promise };
}
