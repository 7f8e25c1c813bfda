/** The files of an export in memory, with faults where a test wants them. */
import { type ExportFolder, PART_SUFFIX } from "../export/folder.ts";

export class MemoryFolder implements ExportFolder {
  readonly files: Map<string, Uint8Array>;
  /** Paths written, in their order. */
  readonly written: string[] = [];
  /** Calls that still succeed before the process "dies"; `undefined` for ever. */
  #callsLeft: number | undefined;
  #isHalfWritten = false;

  constructor(files: ReadonlyMap<string, Uint8Array> = new Map(), callsLeft?: number, isHalfWritten = false) {
    this.files = new Map(files);
    this.#callsLeft = callsLeft;
    this.#isHalfWritten = isHalfWritten;
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.files.keys()]);
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.files.get(path));
  }

  write(path: string, bytes: Uint8Array): Promise<void> {
    if (!this.#lives()) {
      if (this.#isHalfWritten) this.files.set(`${path}${PART_SUFFIX}`, bytes.slice(0, bytes.length >> 1));
      return Promise.reject(new Error("killed"));
    }
    this.files.set(path, bytes.slice());
    this.written.push(path);
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    if (!this.#lives()) return Promise.reject(new Error("killed"));
    this.files.delete(path);
    return Promise.resolve();
  }

  #lives(): boolean {
    if (this.#callsLeft === undefined) return true;
    this.#callsLeft -= 1;
    return this.#callsLeft >= 0;
  }
}
