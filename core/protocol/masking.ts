/**
 * Masks for screens and replies (domain notes 6.3). A mask is for eyes: it is neither de-identification nor a key to
 * join by; streams carry pseudonyms instead.
 */
const STAR = "*";
/** Fewer hidden characters than this and a mask hides nothing. */
const HIDDEN_MIN = 4;

/** Surnames of two characters (复姓) in use today. */
const COMPOUND_SURNAMES: ReadonlySet<string> = new Set(
  (
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 公孙 慕容 " +
    "仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 拓跋 夹谷 轩辕 令狐 " +
    "段干 百里 呼延 东郭 南门 羊舌 微生 公户 公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 公伯 西门 公祖 第五 公乘 贯丘 公皙 " +
    "南荣 东里 东宫 仲长 子书 子桑 即墨 达奚 褚师 纳兰 叶赫 完颜 耶律 哥舒 贺兰 屈突 斛律 贺若 那拉"
  ).split(" "),
);

function stars(count: number): string {
  return STAR.repeat(count);
}

/** Keeps `head` and `tail` characters, or none at all where too little would stay hidden. */
function maskMiddle(text: string, head: number, tail: number): string {
  const characters = [...text];
  if (characters.length < head + tail + HIDDEN_MIN) return stars(characters.length);
  const hidden = characters.length - head - tail;
  return characters.slice(0, head).join("") + stars(hidden) + characters.slice(characters.length - tail).join("");
}

/** Keeps the surname. @example maskName("欧阳修") // "欧阳*" @example maskName("张三") // "张*" */
export function maskName(name: string): string {
  const characters = [...name];
  if (characters.length < 2) return stars(characters.length);
  const kept = characters.length > 2 && COMPOUND_SURNAMES.has(characters.slice(0, 2).join("")) ? 2 : 1;
  return characters.slice(0, kept).join("") + stars(characters.length - kept);
}

/** For third-party screens: first and last character. */
export function maskIdNo(idNo: string): string {
  return maskMiddle(idNo, 1, 1);
}

/** First 6 and last 4, only for a check in person that gives its reason; short numbers are masked as on any screen. */
export function maskIdNoInPerson(idNo: string): string {
  return [...idNo].length >= 6 + 4 + HIDDEN_MIN ? maskMiddle(idNo, 6, 4) : maskIdNo(idNo);
}

/** First 3 and last 4 of a phone number. */
export function maskPhone(phone: string): string {
  return maskMiddle(phone, 3, 4);
}

/** First 6 and last 4 of an EHC-ID or ecToken; something shorter than such identifiers is hidden whole. */
export function maskIdentifier(identifier: string): string {
  return identifier.length >= 20 ? maskMiddle(identifier, 6, 4) : stars(identifier.length);
}
