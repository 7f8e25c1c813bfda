/** The files of an export, wherever they are. */
import { type Checked, failed, passed } from "./verdict.ts";

/** A folder of files: on a disk, dropped on a page. Paths are relative to it, with `/` between their parts. */
export interface ExportFiles {
  /** Every file at any depth, in any order. */
  list(): Promise<readonly string[]>;
  /**
   * The whole file, never more than `bytesMaxOf` its path; `undefined` when there is none. A throw means that it cannot be
   * read, an {@link UnfitFileError} that it is not what may stand there.
   */
  read(path: string): Promise<Uint8Array | undefined>;
}

/** A file that no export has: a link, a pipe, one without end. */
export class UnfitFileError extends Error {
  override readonly name = "UnfitFileError";
}

/** Listed once; a file that is missing or cannot be read is a defect and no exception. */
export class GuardedFiles {
  readonly #source: ExportFiles;
  #paths: ReadonlySet<string> = new Set();

  constructor(source: ExportFiles) {
    this.#source = source;
  }

  get paths(): ReadonlySet<string> {
    return this.#paths;
  }

  async list(): Promise<Checked<ReadonlySet<string>>> {
    try {
      this.#paths = new Set(await this.#source.list());
      return passed(this.#paths);
    } catch {
      return failed("unreadable", "the files of the folder cannot be listed");
    }
  }

  async read(path: string): Promise<Checked<Uint8Array>> {
    try {
      const bytes = this.#paths.has(path) ? await this.#source.read(path) : undefined;
      return bytes === undefined ? failed("fileMissing", `the file ${path} is missing`) : passed(bytes);
    } catch (error) {
      if (error instanceof UnfitFileError) return failed("exportMalformed", `the file ${path} ${error.message}`);
      return failed("unreadable", `the file ${path} cannot be read`);
    }
  }
}
