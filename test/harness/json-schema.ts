/** Which places of a value contradict a JSON Schema (draft 2020-12): the keywords that our documents use, no others. */
type Json = unknown;
type Schema = Readonly<Record<string, unknown>>;

const KNOWN: ReadonlySet<string> = new Set(
  "$ref $schema type enum const properties required additionalProperties items anyOf allOf pattern minLength maxLength minItems maxItems format description examples title".split(
    " ",
  ),
);

export function contradictions(schema: Json, value: Json, root: Json, at = "$"): readonly string[] {
  const rules = objectOf(schema);
  const unknown = Object.keys(rules).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) throw new Error(`a keyword that this check does not know: ${unknown.join(", ")}`);
  if (typeof rules["$ref"] === "string") return contradictions(pointed(root, rules["$ref"]), value, root, at);
  return [
    ...ofType(rules, value, at),
    ...(typeof value === "string" ? ofText(rules, value, at) : []),
    ...(Array.isArray(value) ? value.flatMap((item: Json, n) => contradictions(rules["items"] ?? {}, item, root, `${at}[${n}]`)) : []),
    ...ofObject(rules, value, root, at),
    ...listOf(rules["allOf"]).flatMap((one) => contradictions(one, value, root, at)),
    ...ofAny(rules, value, root, at),
  ];
}

function ofType({ type, enum: words, const: only }: Schema, value: Json, at: string): readonly string[] {
  const types = typeof type === "string" ? [type] : listOf(type);
  const own = value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  const fits = types.length === 0 || types.includes(own) || (own === "integer" && types.includes("number"));
  return [
    ...(fits ? [] : [`${at} is ${own}, not ${types.join("|")}`]),
    ...(words === undefined || listOf(words).includes(value) ? [] : [`${at} is none of its words`]),
    ...(only === undefined || only === value ? [] : [`${at} is not its constant`]),
  ];
}

function ofText({ pattern, minLength, maxLength }: Schema, value: string, at: string): readonly string[] {
  const length = [...value].length;
  return [
    ...(typeof pattern === "string" && !new RegExp(pattern, "u").test(value) ? [`${at} does not match ${pattern}`] : []),
    ...(typeof minLength === "number" && length < minLength ? [`${at} is too short`] : []),
    ...(typeof maxLength === "number" && length > maxLength ? [`${at} is too long`] : []),
  ];
}

function ofObject({ properties, required, additionalProperties }: Schema, value: Json, root: Json, at: string): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const members = objectOf(properties);
  return [
    ...listOf(required).flatMap((name) => (Object.hasOwn(value, String(name)) ? [] : [`${at}.${String(name)} is missing`])),
    ...Object.entries(value).flatMap(([name, member]): readonly string[] => {
      if (members[name] !== undefined) return contradictions(members[name], member, root, `${at}.${name}`);
      return additionalProperties === false ? [`${at}.${name} is unknown`] : [];
    }),
  ];
}

function ofAny({ anyOf }: Schema, value: Json, root: Json, at: string): readonly string[] {
  if (anyOf === undefined) return [];
  const each = listOf(anyOf).map((one) => contradictions(one, value, root, at));
  return each.some((found) => found.length === 0) ? [] : (each[0] ?? []);
}

function pointed(root: Json, reference: string): Json {
  let place: Json = root;
  for (const part of reference.replace(/^#\//, "").split("/")) place = objectOf(place)[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  if (place === undefined) throw new Error(`${reference} points nowhere`);
  return place;
}

function objectOf(value: Json): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function listOf(value: Json): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** Every example of an OpenAPI document with the schema it belongs to, by the path to it. */
export function examplesOf(document: Json, at = "#"): readonly { readonly at: string; readonly schema: Json; readonly value: Json }[] {
  if (Array.isArray(document)) return document.flatMap((item, n) => examplesOf(item, `${at}/${n}`));
  const node = objectOf(document);
  const own = Array.isArray(node["examples"])
    ? listOf(node["examples"]).map((value, n) => ({ at: `${at}/examples/${n}`, schema: node, value }))
    : Object.entries(objectOf(node["examples"])).map(([name, example]) => ({
        at: `${at}/examples/${name}`,
        schema: node["schema"],
        value: objectOf(example)["value"],
      }));
  const inner = Object.entries(node).flatMap(([name, value]) => (name === "examples" ? [] : examplesOf(value, `${at}/${name}`)));
  return [...own, ...inner];
}
