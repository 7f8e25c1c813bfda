/**
 * A small invented province for sandboxes, demos and tests. Everything is made from a seed; nobody in it exists.
 */
import type { SeededRandom } from "./random.ts";

export interface Province {
  readonly institutions: readonly SandboxInstitution[];
  readonly apps: readonly SandboxApp[];
  readonly people: readonly SandboxPerson[];
}

export interface SandboxInstitution {
  /** Code of the designated institution, 12 characters as NHSA gives them. */
  readonly orgId: string;
  readonly name: string;
  readonly kind: "hospital" | "pharmacy";
  readonly city: string;
  readonly terminals: readonly { readonly termId: string; readonly latitude: number; readonly longitude: number }[];
}

export interface SandboxApp {
  /** EHCAPPID, 9 characters. */
  readonly appId: string;
  readonly name: string;
}

export interface SandboxPerson {
  readonly appUserId: string;
  readonly appId: string;
  readonly name: string;
  readonly idType: "01";
  readonly idNo: string;
  readonly city: string;
  /** Six digits of GB/T 2260 where the person is insured. */
  readonly insuOrg: string;
  readonly insurance?: { readonly accountId: string; readonly plan: SandboxPlan };
  readonly commercial?: { readonly authorisationId: string; readonly sharePercent: number; readonly ceilingFen: bigint };
  readonly bank?: { readonly contractId: string; readonly balanceFen: bigint };
}

/** What a sandbox insurer pays: a share of what lies above the deductible, up to a ceiling; the rest may come from the personal account. */
export interface SandboxPlan {
  readonly sharePercent: number;
  readonly seriousIllnessPercent: number;
  readonly deductibleFen: bigint;
  readonly ceilingFen: bigint;
  readonly personalAccountFen: bigint;
}

interface City {
  readonly name: string;
  readonly area: string;
  readonly latitude: number;
  readonly longitude: number;
}

const CITIES: readonly City[] = [
  { name: "成都", area: "510104", latitude: 30.6571, longitude: 104.0665 },
  { name: "绵阳", area: "510703", latitude: 31.4678, longitude: 104.6796 },
  { name: "攀枝花", area: "510402", latitude: 26.5823, longitude: 101.7187 },
  { name: "宜宾", area: "511502", latitude: 28.7513, longitude: 104.6417 },
];
const SITES: readonly {
  readonly city: string;
  readonly name: string;
  readonly kind: "hospital" | "pharmacy";
  readonly terminals: number;
}[] = [
  { city: "成都", name: "融合市第一人民医院", kind: "hospital", terminals: 6 },
  { city: "成都", name: "锦江便民大药房", kind: "pharmacy", terminals: 2 },
  { city: "绵阳", name: "涪城中心医院", kind: "hospital", terminals: 4 },
  { city: "攀枝花", name: "金沙江医院", kind: "hospital", terminals: 3 },
  { city: "宜宾", name: "翠屏中医医院", kind: "hospital", terminals: 3 },
  { city: "宜宾", name: "叙州康复药房", kind: "pharmacy", terminals: 2 },
];
const SURNAMES = ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "欧阳", "司马"];
const GIVEN = [
  "伟",
  "芳",
  "娜",
  "秀英",
  "敏",
  "静",
  "丽",
  "强",
  "磊",
  "军",
  "洋",
  "勇",
  "艳",
  "杰",
  "娟",
  "涛",
  "明",
  "超",
  "霞",
  "平",
  "桂英",
  "子轩",
  "雨桐",
];

/** Ten kilometres at most within a city, so that walking between its sites is no impossible journey. */
const SPREAD_DEGREES = 0.04;

export function makeProvince(random: SeededRandom, size: { readonly people: number }): Province {
  const institutions = SITES.map((site, at): SandboxInstitution => {
    const city = cityNamed(site.city);
    const latitude = city.latitude + (random.unit() - 0.5) * SPREAD_DEGREES;
    const longitude = city.longitude + (random.unit() - 0.5) * SPREAD_DEGREES;
    const orgId = `${site.kind === "hospital" ? "H" : "P"}${city.area}${String(at + 1).padStart(5, "0")}`;
    return {
      orgId,
      name: site.name,
      kind: site.kind,
      city: site.city,
      terminals: Array.from({ length: site.terminals }, (_, n) => ({
        termId: `${city.area}${String(at + 1).padStart(4, "0")}${String(n + 1).padStart(10, "0")}`,
        latitude: Number(latitude.toFixed(5)),
        longitude: Number(longitude.toFixed(5)),
      })),
    };
  });
  const apps: readonly SandboxApp[] = [
    { appId: "5101A0001", name: "融合健康" },
    { appId: "5107B0002", name: "绵州通" },
  ];
  const people = Array.from({ length: size.people }, (_, at) => makePerson(random, at, random.pick(apps).appId));
  return { institutions, apps, people };
}

function makePerson(random: SeededRandom, at: number, appId: string): SandboxPerson {
  const city = CITIES[at % CITIES.length] ?? cityNamed("成都");
  const serial = String(at + 1).padStart(5, "0");
  const employee = random.chance(0.55);
  return {
    appUserId: `u${serial}`,
    appId,
    name: random.pick(SURNAMES) + random.pick(GIVEN) + (random.chance(0.3) ? random.pick(GIVEN) : ""),
    idType: "01",
    idNo: citizenNumber(random, city.area, at),
    city: city.name,
    insuOrg: city.area,
    insurance: {
      accountId: `I${city.area}${serial}`,
      plan: employee
        ? {
            sharePercent: 75,
            seriousIllnessPercent: 5,
            deductibleFen: 20_000n,
            ceilingFen: 4_000_000n,
            personalAccountFen: BigInt(random.int(0, 300_000)),
          }
        : { sharePercent: 55, seriousIllnessPercent: 8, deductibleFen: 10_000n, ceilingFen: 2_000_000n, personalAccountFen: 0n },
    },
    ...(random.chance(0.4)
      ? { commercial: { authorisationId: `C${city.area}${serial}`, sharePercent: random.pick([50, 60, 80]), ceilingFen: 1_000_000n } }
      : {}),
    // One in twenty has too little money in the bank: a bill that nobody covers must be refused whole.
    bank: { contractId: `B${city.area}${serial}`, balanceFen: random.chance(0.05) ? 500n : BigInt(random.int(2_000_000, 20_000_000)) },
  };
}

/** A citizen number with its check digit (GB 11643); the serial keeps numbers apart. */
function citizenNumber(random: SeededRandom, area: string, at: number): string {
  const year = random.int(1940, 2010);
  const birthday = `${year}${String(random.int(1, 12)).padStart(2, "0")}${String(random.int(1, 28)).padStart(2, "0")}`;
  const body = `${area}${birthday}${String(at % 1000).padStart(3, "0")}`;
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, index) => total + weight * Number(body[index]), 0);
  return body + "10X98765432".charAt(sum % 11);
}

function cityNamed(name: string): City {
  const city = CITIES.find((one) => one.name === name);
  if (city === undefined) throw new Error(`no city ${name}`);
  return city;
}
