// Experiments: the list, and making one.
import { useState } from "preact/hooks";
import { plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { usePaged } from "../lib/paged";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useSettled } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Tags, Time } from "../parts/basics";
import { type Addresses, CodeBlock, UseFromCode } from "../parts/code";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Filter, Table } from "../parts/table";

export function ExperimentsScreen() {
  const { query } = usePlace();
  const { edit } = useMay();
  const [making, setMaking] = useState(false);
  const text = query.get("q") ?? "";
  const deleted = query.get("view") === "deleted";
  const settled = useSettled(text);
  const load = (token?: string) => ml.experiments(ml.nameHas(settled), token, deleted ? "DELETED_ONLY" : "ACTIVE_ONLY").then((page) => ({ rows: page.experiments, next: page.next || undefined }));
  const list = usePaged(load, (one) => one.experiment_id, [settled, deleted], 15_000);
  const { rows } = list;
  return (
    <Page
      title="Experiments"
      actions={<><UseFromCode snippets={snippets} />{edit && <button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New experiment</button>}</>}
    >
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter by name" label="Filter experiments by name" />
        <div class="segments" role="group" aria-label="Which experiments">{[["Active", null], ["Deleted", "deleted"]].map(([label, view]) => <button key={label} type="button" aria-pressed={deleted === (view === "deleted")} onClick={() => setQuery({ view })}>{label}</button>)}</div>
        {rows && <span class="muted">{plural(rows.length, "experiment")}{list.open && ", more below"}</span>}
      </div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Card flush>
        {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {rows?.length === 0 && (text ? <Empty kind="none" title="No experiment has that name" clear={() => setQuery({ q: null })} /> : deleted ? <Empty kind="done" title="No experiment is deleted" /> : <Empty kind="start" icon="flask" title="No experiment yet"><p>An experiment gathers runs. Make one here, or name one from Python:</p><CodeBlock code={'mlflow.set_experiment("flight-delays")'} /></Empty>)}
        {rows && rows.length > 0 && (
          <Table
            label="Experiments" rows={rows} rowKey={(e) => e.experiment_id} href={(e) => path("experiments", e.experiment_id)}
            columns={[
              { id: "name", head: "Name", class: "title", cell: (e) => <a class="cut strong" href={path("experiments", e.experiment_id)} title={e.name}>{e.name}</a> },
              { id: "tags", head: "Tags", class: "wide-only", cell: (e) => <Tags tags={ml.userTags(e.tags)} /> },
              { id: "changed", head: "Changed", cell: (e) => <Time at={e.last_update_time} /> },
              { id: "made", head: "Created", class: "wide-only", cell: (e) => <Time at={e.creation_time} /> },
              { id: "id", head: "Id", class: "wide-only muted", cell: (e) => <code>{e.experiment_id}</code> },
              ...(deleted && edit ? [{ id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (e: ml.Experiment) => <Restore of={e} after={list.reload} /> }] : []),
            ]}
          />
        )}
        {list.open && <div class="more"><button type="button" class="btn" onClick={list.more}>Show more</button></div>}
      </Card>
      {making && <NewExperiment close={() => setMaking(false)} />}
    </Page>
  );
}

function Restore({ of, after }: { of: ml.Experiment; after: () => void }) {
  const { busy, error, act } = useAction();
  return <button type="button" class="btn small" disabled={busy} title={error?.message} onClick={() => void act(() => ml.experimentRestore(of.experiment_id), after)}>{error ? "Refused" : "Restore"}</button>;
}

function NewExperiment({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  return (
    <FormModal title="New experiment" submit="Create" close={close} disabled={!name.trim()} save={async () => go(path("experiments", (await ml.experimentCreate(name.trim())).experiment_id))}>
      <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} autofocus required /></Field>
    </FormModal>
  );
}

const snippets = (at: Addresses) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmlflow.set_experiment("flight-delays")\nfor experiment in mlflow.search_experiments():\n    print(experiment.experiment_id, experiment.name)` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/experiments/search?max_results=100"` },
];
