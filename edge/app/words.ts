/**
 * What is said about the API is said in Chinese and in English, side by side, so that neither can be forgotten. The
 * page picks one of the two; OpenAPI, whose tools know one `description` only, carries both.
 */
export type Language = "zh" | "en";

export interface Words {
  readonly zh: string;
  readonly en: string;
}

/** @example words("机构编号", "Institution id") */
export function words(zh: string, en: string): Words {
  return { zh, en };
}

/** How words become one text. */
export type Say = (what: Words) => string;

/** @example sayIn("en")(words("结算", "Settle")) // "Settle" */
export function sayIn(language: Language): Say {
  return (what) => what[language];
}

/** @example sayBoth(words("结算", "Settle")) // "结算 / Settle" */
export const sayBoth: Say = ({ zh, en }) => (zh === en ? en : `${zh} / ${en}`);
