// Chosen runs side by side: what differs first, then what is equal, and their curves over each other.
import { useMemo } from "preact/hooks";
import { fieldId, headOf, knownFields, nameOf, textOf, valueOf, type Field, type Kind } from "../lib/fields";
import { number, plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { path, setQuery, usePlace } from "../lib/router";
import { useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Tabs, Time } from "../parts/basics";
import { Mark } from "../parts/chart";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { LineCharts } from "./charts-lines";

export const MOST_COMPARED = 20;
export const compareHref = (ids: string[]) => `/compare?runs=${ids.join(",")}`;

export function CompareScreen() {
  const { query } = usePlace();
  const ids = (query.get("runs") ?? "").split(",").filter(Boolean).slice(0, MOST_COMPARED);
  const live = (runs: ml.Run[] | undefined) => (runs?.some((run) => run.info.status === "RUNNING") ? 4_000 : undefined);
  const loaded = useLoad(() => Promise.all(ids.map(ml.run)), [ids.join()], live);
  const runs = loaded.data;
  const home = runs?.[0]?.info.experiment_id;
  const experiment = useLoad(async () => (home === undefined ? undefined : ml.experiment(home)), [home]);
  const tab = query.get("tab") ?? "values";
  const href = (to: string) => compareHref(ids) + (to === "values" ? "" : `&tab=${to}`);
  return (
    <Page title={`Compare ${plural(ids.length, "run")}`} crumbs={[{ label: "Experiments", href: "/experiments" }, ...(home === undefined ? [] : [{ label: experiment.data?.name ?? "…", href: path("experiments", home) }])]}>
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      {ids.length === 0 && <Card><Empty kind="start" icon="columns" title="No run to compare"><p>Tick some in an experiment, then choose Compare.</p></Empty></Card>}
      {ids.length > 0 && <Tabs current={tab} href={href} tabs={[{ id: "values", label: "Values" }, { id: "charts", label: "Charts" }]} />}
      {!runs && !loaded.error && <Card><Skeleton rows={8} /></Card>}
      {runs && runs.length > 0 && (tab === "charts" ? <LineCharts runs={runs} /> : <Values runs={runs} equal={query.get("equal") !== "0"} />)}
    </Page>
  );
}

const SECTIONS: [Kind, string][] = [["param", "Params"], ["metric", "Metrics"], ["tag", "Tags"]];

function Values({ runs, equal }: { runs: ml.Run[]; equal: boolean }) {
  const known = useMemo(() => knownFields(runs), [runs]);
  const differs = (field: Field) => new Set(runs.map((run) => String(valueOf(run, field)))).size > 1;
  const split = SECTIONS.map(([kind, label]) => ({ label, unlike: known[kind].filter(differs), alike: known[kind].filter((field) => !differs(field)) }));
  const count = split.reduce((sum, section) => sum + section.unlike.length, 0);
  const without = (id: string) => compareHref(runs.map((run) => run.info.run_id).filter((one) => one !== id));
  const attribute = (key: string): Field => ({ kind: "attribute", key });
  return (
    <>
      <div class="toolbar">
        <span class="muted">{count === 0 ? "These runs are equal in every param, metric and tag." : `${plural(count, "difference")} first.`}</span>
        <label class="check"><input type="checkbox" checked={equal} onChange={(event) => setQuery({ equal: event.currentTarget.checked ? null : "0" })} />Show what is equal</label>
      </div>
      <Card flush>
        <div class="table-wrap compare-wrap" tabIndex={0} role="region" aria-label="Compared values">
          <table class="compare-table">
            <thead>
              <tr>
                <th scope="col" class="pin">Run</th>
                {runs.map((run, i) => (
                  <th key={run.info.run_id} scope="col">
                    <span class="compare-head"><Mark at={i} /><a class="cut" href={path("runs", run.info.run_id)} title={nameOf(run)}>{nameOf(run)}</a>{runs.length > 1 && <a class="icon-btn" href={without(run.info.run_id)} aria-label={`Leave out ${nameOf(run)}`} title="Leave out"><Icon name="cross" size={12} /></a>}</span>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              <tr><th scope="row" class="pin">Status</th>{runs.map((run) => <td key={run.info.run_id}><Status state={run.info.status} /></td>)}</tr>
              <tr><th scope="row" class="pin">Started</th>{runs.map((run) => <td key={run.info.run_id}><Time at={run.info.start_time} /></td>)}</tr>
              <tr><th scope="row" class="pin">Took</th>{runs.map((run) => <td key={run.info.run_id}>{textOf(run, attribute("took"))}</td>)}</tr>
            </tbody>
            {split.map(({ label, unlike }) => <Section key={label} label={`${label} that differ`} fields={unlike} runs={runs} />)}
            {equal && split.map(({ label, alike }) => <Section key={label} label={`Equal ${label.toLowerCase()}`} fields={alike} runs={runs} alike />)}
          </table>
        </div>
      </Card>
    </>
  );
}

function Section({ label, fields, runs, alike }: { label: string; fields: Field[]; runs: ml.Run[]; alike?: boolean }) {
  if (fields.length === 0) return null;
  return (
    <tbody class={alike ? "alike" : "unlike"}>
      <tr class="section"><th scope="rowgroup" colSpan={runs.length + 1}>{label}<span class="count">{number(fields.length)}</span></th></tr>
      {fields.map((field) => (
        <tr key={fieldId(field)}>
          <th scope="row" class="pin"><span class="cut" title={headOf(field)}>{headOf(field)}</span></th>
          {field.kind === "metric" ? <Numbers runs={runs} field={field} /> : runs.map((run) => <td key={run.info.run_id} class="param" title={String(valueOf(run, field) ?? "")}>{textOf(run, field)}</td>)}
        </tr>
      ))}
    </tbody>
  );
}

/** The metric of each run with a bar from the least to the greatest among them. */
function Numbers({ runs, field }: { runs: ml.Run[]; field: Field }) {
  const values = runs.map((run) => { const value = valueOf(run, field); return value === undefined ? NaN : Number(value); });
  const finite = values.filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const share = (value: number) => (Number.isFinite(value) && most > least ? (value - least) / (most - least) : 0);
  return <>{runs.map((run, i) => <td key={run.info.run_id} class="metric" title={String(valueOf(run, field) ?? "")}>{textOf(run, field)}{most > least && <span class="share-bar" aria-hidden="true"><i style={{ width: `${share(values[i] ?? NaN) * 100}%` }} /></span>}</td>)}</>;
}
