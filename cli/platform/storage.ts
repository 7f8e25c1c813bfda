import { StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { Config } from "../config.ts";
import { printNotice } from "./lines.ts";

/** Watches the databases of one part: a line when one of them cannot be written to, and a line when all can again. */
export function watchStorage(part: string, config: Pick<Config, "RONGHE_FREE_SPACE_MIN_MB">, clock: Clock): StorageWatch {
  return new StorageWatch({
    clock,
    freeBytesMin: config.RONGHE_FREE_SPACE_MIN_MB * 1024 * 1024,
    notice: (notice) => printNotice({ part, ...notice }),
  });
}
