import type { Fids } from "./fids.ts";
import type { P9Reader, P9Writer } from "./p9-message.ts";

/** What requests work on. */
export interface P9Session {
  /** A descriptor of the folder that is shared. */
  readonly root: number;
  readonly readOnly: boolean;
  readonly fids: Fids;
}

/** Answers the body of a request with the body of a reply. Throws P9Error, or an error of the host's. */
export type P9Handler = (session: P9Session, request: P9Reader, reply: P9Writer) => void;
