// What a run was made from and what it holds: its datasets with their columns, and the runs inside it.
import { nameOf, textOf } from "../lib/fields";
import { number } from "../lib/format";
import * as ml from "../lib/mlflow";
import { path } from "../lib/router";
import { useLoad } from "../lib/use";
import { Card, Copy, Time } from "../parts/basics";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Table } from "../parts/table";

/** Columns named before the rest is only counted. */
const MOST_COLUMNS = 24;

export function Datasets({ run }: { run: ml.Run }) {
  const all = run.inputs?.dataset_inputs ?? [];
  if (all.length === 0) return null;
  return (
    <Card title={<>Datasets <span class="count">{all.length}</span></>} flush>
      {all.map(({ dataset, tags }) => {
        const context = ml.tagOf(tags, "mlflow.data.context");
        const columns = columnsOf(dataset.schema);
        const profile = profileOf(dataset.profile);
        const source = sourceOf(dataset.source);
        return (
          <div class="dataset" key={`${dataset.name} ${dataset.digest} ${context}`}>
            <p><Icon name="data" /><b>{dataset.name}</b><code>{dataset.digest}</code>{context && <span class="tag"><b>{context}</b></span>}<span class="muted">{profile}</span></p>
            {source && <p class="muted"><code>{source}</code><Copy text={source} label="Copy the source" /></p>}
            {columns.length > 0 && <span class="schema">{columns.slice(0, MOST_COLUMNS).map(([name, type], i) => <span class="tag" key={i}><b>{name}</b><span>{type}</span></span>)}{columns.length > MOST_COLUMNS && <span class="muted">and {number(columns.length - MOST_COLUMNS)} more</span>}</span>}
          </div>
        );
      })}
    </Card>
  );
}

/** Schema, profile and source are JSON that clients wrote, each in a form of its own. */
function parsed(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function columnsOf(schema: string | undefined): [string, string][] {
  const { mlflow_colspec: columns } = parsed(schema);
  if (!Array.isArray(columns)) return [];
  return columns.map((column: Record<string, unknown>, i) => [String(column?.name ?? i), String(column?.type ?? "")]);
}

const profileOf = (profile: string | undefined) => Object.entries(parsed(profile)).filter(([, value]) => typeof value === "number").map(([key, value]) => `${number(value as number)} ${key.replace(/^num_/, "").replace(/_/g, " ")}`).join(", ");

function sourceOf(source: string): string {
  const { uri, url, path } = parsed(source);
  return String(uri ?? url ?? path ?? (source.length < 200 ? source : ""));
}

export function Children({ of }: { of: ml.Run }) {
  const id = of.info.run_id;
  const found = useLoad(() => ml.runs({ ids: [of.info.experiment_id], filter: `tags.\`mlflow.parentRunId\` = '${id}'`, max: 100 }), [id], of.info.status === "RUNNING" ? 5_000 : undefined);
  const runs = found.data?.runs ?? [];
  if (runs.length === 0) return null;
  return (
    <Card title={<>Runs inside <span class="count">{runs.length}{found.data?.next ? "+" : ""}</span></>} flush>
      <Table
        label="Runs inside" rows={runs} rowKey={(run) => run.info.run_id} href={(run) => path("runs", run.info.run_id)}
        columns={[
          { id: "name", head: "Run", cell: (run) => <a class="strong" href={path("runs", run.info.run_id)}>{nameOf(run)}</a> },
          { id: "status", head: "Status", cell: (run) => <Status state={run.info.status} /> },
          { id: "when", head: "Started", class: "wide-only", cell: (run) => <Time at={run.info.start_time} /> },
          ...[...new Set(runs.flatMap((run) => run.data.metrics?.map((one) => one.key) ?? []))].sort().slice(0, 4).map((key) => ({ id: `m.${key}`, head: key, class: "num", cell: (run: ml.Run) => textOf(run, { kind: "metric", key }) })),
        ]}
      />
    </Card>
  );
}
