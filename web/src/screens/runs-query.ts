// The question a list of runs answers, read from the URL: filter, order, columns, group, deleted or not.
import { useMemo } from "preact/hooks";
import { keyed, LISTED, NULLABLE, NUMERIC, type Name } from "../lib/complete";
import { fieldOf, fieldsIn, knownFields, nameOf, valueOf, type Field } from "../lib/fields";
import { parentOf } from "../lib/group";
import * as ml from "../lib/mlflow";
import { usePaged } from "../lib/paged";
import { usePlace } from "../lib/router";
import { useLoad, useSettled } from "../lib/use";

export const START = "attributes.start_time DESC";
/** Said in place of a group by whoever wants no run under another. */
export const FLAT = "-";
const PAGE = 500;
/** More than this is not held in the browser. */
export const MOST_RUNS = 50_000;

const NO_RUNS: ml.Run[] = [];
/** Columns shown before anybody chose some. */
const FEW = 6;

export type Runs = ReturnType<typeof useRuns>;

export function useRuns(experiment: string) {
  const { query } = usePlace();
  const filter = query.get("filter") ?? "";
  const order = query.get("order") ?? START;
  const deleted = query.get("view") === "deleted";
  const settled = useSettled(filter, 300);
  const question = { ids: [experiment], filter: settled, order, max: PAGE, view: deleted ? "DELETED_ONLY" as const : "ACTIVE_ONLY" as const };
  const load = (pageToken?: string) => ml.runs({ ...question, pageToken }).then((page) => ({ rows: page.runs, next: page.next || undefined }));
  const list = usePaged(load, (run) => run.info.run_id, [experiment, settled, order, deleted], 4_000);
  // Asked for only while there is more than is here: the server looks at every run for it.
  const count = useLoad(async () => (list.open ? ml.runCount(question) : undefined), [experiment, settled, deleted, list.open], list.open ? 20_000 : undefined, [experiment, settled, deleted]);
  const runs = list.rows ?? NO_RUNS;
  const total = list.open && count.data !== undefined ? Math.max(count.data, runs.length) : undefined;
  const known = useMemo(() => knownFields(runs), [runs]);
  const names = useMemo(() => namesOf(runs, known), [known]);
  const group = fieldOf(query.get("group"));
  // Sorted by a result or filtered, every run stands for itself.
  const nest = !group && query.get("group") !== FLAT && order === START && !filter && runs.some((run) => parentOf(run));
  const chosen = query.get("cols");
  const columns = useMemo(() => (chosen === null ? usual(known) : fieldsIn(chosen)), [chosen, known]);
  return { filter, order, deleted, list, runs, total, known, names, group, nest, columns, chosen: chosen !== null };
}

const usual = (known: ReturnType<typeof knownFields>): Field[] => [
  { kind: "attribute", key: "status" }, { kind: "attribute", key: "start" }, { kind: "attribute", key: "took" },
  ...known.metric.filter((field) => !field.key.startsWith("system/")).slice(0, FEW), ...known.param.slice(0, FEW), { kind: "attribute", key: "user" },
];

/** What the filter's completion knows: every key seen, and the values that texts had. */
function namesOf(runs: ml.Run[], known: ReturnType<typeof knownFields>): Name[] {
  const seen = (pick: (run: ml.Run) => unknown) => () => [...new Set(runs.slice(0, 2000).map(pick).filter((value) => typeof value === "string" && value.length < 80))].sort() as string[];
  const keys = (entity: string, fields: Field[], ops: string[], texts: boolean): Name[] =>
    fields.map((field) => ({ name: keyed(entity, field.key), ops, values: texts ? seen((run) => valueOf(run, field)) : undefined }));
  const attribute = (name: string, ops: string[], values?: () => string[]): Name => ({ name: `attributes.${name}`, ops, values });
  return [
    ...keys("metrics", known.metric, NUMERIC, false),
    ...keys("params", known.param, NULLABLE, true),
    ...keys("tags", known.tag, NULLABLE, true),
    attribute("status", LISTED, () => ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]),
    attribute("run_name", LISTED, seen(nameOf)),
    attribute("run_id", LISTED), attribute("user_id", LISTED, seen((run) => run.info.user_id)),
    attribute("start_time", NUMERIC), attribute("end_time", NUMERIC), attribute("artifact_uri", LISTED),
    ...["name", "digest", "context"].map((name): Name => ({ name: `datasets.${name}`, ops: LISTED, values: name === "context" ? undefined : seen((run) => run.inputs?.dataset_inputs?.[0]?.dataset[name as "name"]) })),
  ];
}
