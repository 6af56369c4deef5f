// One experiment: its runs, their charts, its traces.
import { useState } from "preact/hooks";
import * as ml from "../lib/mlflow";
import { go, path, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useLoad } from "../lib/use";
import { Id, Page, Problem, Tabs, Tags, Time } from "../parts/basics";
import { type Addresses, UseFromCode } from "../parts/code";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Markdown } from "../parts/markdown";
import { DescribeModal, TagsModal } from "../parts/pairs";
import { ChartsTab } from "./charts";
import { RunsTab } from "./runs";
import { useRuns } from "./runs-query";
import { TracesTab } from "./traces";

export function ExperimentScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"rename" | "delete" | "tags" | "note">();
  const tab = query.get("tab") ?? "runs";
  const info = useLoad(() => ml.experiment(id), [id]);
  const name = info.data?.name ?? `Experiment ${id}`;
  const tags = ml.userTags(info.data?.tags);
  const note = ml.tagOf(info.data?.tags, NOTE) ?? "";
  const tabHref = (to: string) => {
    const next = new URLSearchParams(query);
    if (to === "runs") next.delete("tab");
    else next.set("tab", to);
    return `${path("experiments", id)}${next.size ? `?${next}` : ""}`;
  };
  return (
    <Page
      title={name}
      crumbs={[{ label: "Experiments", href: "/experiments" }]}
      lead={<span class="meta"><Id id={id} />{info.data && <span>created <Time at={info.data.creation_time} /></span>}{tags.length > 0 && <Tags tags={tags} />}{edit && <button type="button" class="link" onClick={() => setDialog("tags")}>{tags.length > 0 ? "Edit tags" : "Add tags"}</button>}{edit && <button type="button" class="link" onClick={() => setDialog("note")}>{note ? "Edit description" : "Describe"}</button>}</span>}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, name)} />
        {edit && <button type="button" class="btn" onClick={() => setDialog("rename")}><Icon name="edit" />Rename</button>}
        {edit && id !== "0" && info.data?.lifecycle_stage !== "deleted" && <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>}
      </>}
    >
      {info.error && <Problem error={info.error} retry={info.reload} />}
      {info.data?.lifecycle_stage === "deleted" && <Deleted id={id} edit={edit} after={info.reload} />}
      {note && <Markdown text={note} />}
      <Tabs current={tab} href={tabHref} tabs={[{ id: "runs", label: "Runs" }, { id: "charts", label: "Charts" }, { id: "traces", label: "Traces" }]} />
      {tab === "traces" ? <TracesTab experiment={id} name={name} /> : <RunViews id={id} name={name} tab={tab} />}
      {dialog === "rename" && info.data && <Rename experiment={info.data} close={() => setDialog(undefined)} after={info.reload} />}
      {dialog === "tags" && <TagsModal title="Tags of the experiment" tags={tags} close={() => setDialog(undefined)} after={info.reload} set={(key, value) => ml.experimentTag(id, key, value)} drop={(key) => ml.experimentTagDelete(id, key)} />}
      {dialog === "note" && <DescribeModal title="Describe the experiment" value={note} close={() => setDialog(undefined)} after={info.reload} save={(text) => ml.experimentTag(id, NOTE, text)} />}
      {dialog === "delete" && (
        <Confirm title="Delete the experiment" submit="Delete" type={name} close={() => setDialog(undefined)} save={() => ml.experimentDelete(id)} after={() => go("/experiments")}>
          <p><b>{name}</b> and all its runs leave every list. Files stay until they are removed for good; until then it can be restored from the list of deleted experiments.</p>
        </Confirm>
      )}
    </Page>
  );
}

/** Where MLflow keeps what somebody wrote about a run or an experiment. */
const NOTE = "mlflow.note.content";

function Deleted({ id, edit, after }: { id: string; edit: boolean; after: () => void }) {
  const { busy, error, act } = useAction();
  return (
    <>
      {error && <Problem error={error} />}
      <p class="change"><Icon name="trash" />This experiment is deleted; its runs and files are still there. {edit && <button type="button" class="btn small" disabled={busy} onClick={() => void act(() => ml.experimentRestore(id), after)}>Restore</button>}</p>
    </>
  );
}

/** The table and the charts speak of the same runs. */
function RunViews({ id, name, tab }: { id: string; name: string; tab: string }) {
  const at = useRuns(id);
  return tab === "charts" ? <ChartsTab at={at} /> : <RunsTab at={at} name={name} />;
}

function Rename({ experiment, close, after }: { experiment: ml.Experiment; close: () => void; after: () => void }) {
  const [name, setName] = useState(experiment.name);
  return (
    <FormModal title="Rename the experiment" submit="Rename" close={close} after={after} disabled={!name.trim()} save={() => ml.experimentRename(experiment.experiment_id, name.trim())}>
      <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} autofocus /></Field>
    </FormModal>
  );
}

const snippets = (at: Addresses, name: string) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmlflow.set_experiment("${name}")\n\nwith mlflow.start_run():\n    mlflow.log_params({"depth": 6})\n    for step in range(10):\n        mlflow.log_metric("loss", 1 / (step + 1), step=step)` },
  { label: "Search", code: `runs = mlflow.search_runs(\n    experiment_names=["${name}"],\n    filter_string="metrics.auc > 0.8",\n    order_by=["metrics.auc DESC"],\n)` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}"` },
];
