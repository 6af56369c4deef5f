// What a run can be looked at by: its attributes, metrics, params and tags, each with a short id for the URL.
import { duration, millis, number } from "./format";
import type { Run } from "./mlflow";

export type Kind = "attribute" | "metric" | "param" | "tag";
export interface Field { kind: Kind; key: string }

const LETTERS: Record<string, Kind> = { a: "attribute", m: "metric", p: "param", t: "tag" };
export const KINDS: [Kind, string][] = [["metric", "Metrics"], ["param", "Params"], ["tag", "Tags"], ["attribute", "Attributes"]];

/** Attributes by their place in the table; the third says by which name the server sorts them. */
export const ATTRIBUTES: [key: string, head: string, sort?: string][] = [
  ["status", "Status", "status"], ["start", "Started", "start_time"], ["took", "Took"], ["user", "User"],
  ["end", "Ended", "end_time"], ["dataset", "Dataset"], ["source", "Source"], ["commit", "Commit"], ["parent", "Parent run"], ["id", "Run id", "run_id"],
];

export const fieldId = (field: Field) => `${field.kind[0]}.${field.key}`;
export function fieldOf(id: string | null | undefined): Field | undefined {
  const kind = LETTERS[id?.[0] ?? ""];
  return id && kind && id[1] === "." && id.length > 2 ? { kind, key: id.slice(2) } : undefined;
}
/** Several fields as one value of the URL, and back. */
export const fieldsText = (fields: Field[]) => fields.map((field) => encodeURIComponent(fieldId(field))).join(",");
export const fieldsIn = (text: string) => text.split(",").map((part) => fieldOf(decode(part))).filter((field) => field !== undefined);

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const headOf = (field: Field) => (field.kind === "attribute" ? ATTRIBUTES.find(([key]) => key === field.key)?.[1] ?? field.key : field.key);

/** A key as the filter and the order write it. */
export const quoteKey = (key: string) => (/^[A-Za-z_]\w*$/.test(key) ? key : key.includes("`") ? `"${key}"` : `\`${key}\``);

/** What the server orders by for this field; undefined where it cannot. */
export function orderOf(field: Field): string | undefined {
  if (field.kind !== "attribute") return `${field.kind}s.\`${field.key}\``;
  const name = ATTRIBUTES.find(([key]) => key === field.key)?.[2];
  return name && `attributes.${name}`;
}

const tag = (run: Run, key: string) => run.data.tags?.find((one) => one.key === key)?.value;

/** The value as it was logged: metrics are numbers or MLflow's words for what JSON has no number for. */
export function valueOf(run: Run, { kind, key }: Field): string | number | undefined {
  if (kind === "metric") return run.data.metrics?.find((one) => one.key === key)?.value;
  if (kind === "param") return run.data.params?.find((one) => one.key === key)?.value;
  if (kind === "tag") return tag(run, key);
  const { info } = run;
  switch (key) {
    case "status": return info.status;
    case "start": return millis(info.start_time) ?? undefined;
    case "end": return millis(info.end_time) ?? undefined;
    case "took": return tookOf(run) ?? undefined;
    case "user": return tag(run, "mlflow.user") ?? info.user_id;
    case "source": return tag(run, "mlflow.source.name");
    case "commit": return tag(run, "mlflow.source.git.commit");
    case "parent": return tag(run, "mlflow.parentRunId");
    case "dataset": return run.inputs?.dataset_inputs?.map((one) => one.dataset.name).join(", ") || undefined;
    case "id": return info.run_id;
    default: return undefined;
  }
}

/** As a number, for axes and sums; NaN where there is none. */
export const numberOf = (run: Run, field: Field) => {
  const value = valueOf(run, field);
  return value === undefined || value === "" ? NaN : Number(value);
};

export function textOf(run: Run, field: Field): string {
  const value = valueOf(run, field);
  if (value === undefined) return "–";
  if (field.kind === "metric") return number(value);
  return field.kind === "attribute" && field.key === "took" ? duration(Number(value)) : String(value);
}

export function tookOf(run: Run): number | null {
  const start = millis(run.info.start_time);
  return start === null ? null : (millis(run.info.end_time) ?? Date.now()) - start;
}

export const nameOf = (run: Run) => run.info.run_name || run.info.run_id;

/** The keys that these runs have, sorted; tags of MLflow's own are left out. */
export function knownFields(runs: Run[]): Record<Kind, Field[]> {
  const keys = (kind: Kind, pick: (run: Run) => { key: string }[] | undefined) => {
    const found = new Set<string>();
    for (const run of runs) for (const one of pick(run) ?? []) found.add(one.key);
    return [...found].sort().map((key): Field => ({ kind, key }));
  };
  return {
    attribute: ATTRIBUTES.map(([key]) => ({ kind: "attribute", key })),
    metric: keys("metric", (run) => run.data.metrics),
    param: keys("param", (run) => run.data.params),
    tag: keys("tag", (run) => run.data.tags).filter((field) => !field.key.startsWith("mlflow.")),
  };
}
