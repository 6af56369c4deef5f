// The models a run logged, each with its files and the names it is registered under.
import { useState } from "preact/hooks";
import * as ml from "../lib/mlflow";
import { go, keyPath, path } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Id, Problem, Skeleton, Time } from "../parts/basics";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";

export function Models({ run }: { run: ml.Run }) {
  const { edit } = useMay();
  const [chosen, setChosen] = useState<ml.LoggedModel["info"]>();
  const ids = run.outputs?.model_outputs?.map((m) => m.model_id) ?? [];
  const found = useLoad(async () => {
    const byRun = await ml.loggedModels([run.info.experiment_id], `source_run_id = '${run.info.run_id}'`).catch(() => []);
    const missing = ids.filter((id) => !byRun.some((m) => m.info.model_id === id));
    return [...byRun, ...(await Promise.all(missing.map(ml.loggedModel)))].filter(Boolean);
  }, [run.info.run_id, ids.join()]);
  if (found.error) return <Problem error={found.error} retry={found.reload} />;
  if (!found.data) return <Card><Skeleton /></Card>;
  if (found.data.length === 0) return <Card><Empty kind="start" icon="cube" title="This run logged no model"><p><code>mlflow.onnx.log_model(model, name="model")</code> puts one here.</p></Empty></Card>;
  return (
    <Card flush>
      <ul class="rows">
        {found.data.map(({ info }) => (
          <li key={info.model_id}>
            <Icon name="cube" /><b>{info.name}</b><Status state={String(info.status ?? "READY")} /><Id id={info.model_id} /><span class="grow" />
            {info.registrations?.map((r) => <a key={r.name + r.version} class="tag" href={path("models", r.name, "versions", r.version)}><b>{r.name}</b><span>v{r.version}</span></a>)}
            <span class="muted"><Time at={info.creation_timestamp_ms} /></span>
            {files(info.artifact_uri) && <a class="btn small" href={files(info.artifact_uri)}><Icon name="folder" size={14} />Files</a>}
            {edit && <button type="button" class="btn small" onClick={() => setChosen(info)}>Register</button>}
          </li>
        ))}
      </ul>
      {chosen && <Register of={chosen} close={() => setChosen(undefined)} />}
    </Card>
  );
}

/** An artifact is an object in bucket `mlflow`; this is its folder's address here. */
export const files = (uri: string | undefined) => (uri?.startsWith("mlflow-artifacts:/") ? `/data/mlflow/${keyPath(uri.replace(/^mlflow-artifacts:\/+/, "").replace(/\/+$/, ""))}/` : undefined);

function Register({ of, close }: { of: ml.LoggedModel["info"]; close: () => void }) {
  const [name, setName] = useState("");
  const known = useLoad(() => ml.models(), []);
  return (
    <FormModal title="Register the model" submit="Register" close={close} disabled={!name} save={async () => { await ml.register(name, of); go(path("models", name)); }}>
      <Field label="Model" hint="An existing name gets a new version; a new name is made."><input list="model-names" value={name} onInput={(e) => setName(e.currentTarget.value.trim())} autofocus /></Field>
      <datalist id="model-names">{known.data?.map((m) => <option key={m.name} value={m.name} />)}</datalist>
    </FormModal>
  );
}
