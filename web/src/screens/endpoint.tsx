// One endpoint: what it serves, how it does, and a form to try it.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { ms, number } from "../lib/format";
import { go } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Page, Problem, Skeleton } from "../parts/basics";
import { type Addresses, CA, UseFromCode } from "../parts/code";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { CanaryCard } from "./endpoint-canary";
import { RollBack, Routes } from "./endpoint-routes";
import { History, Traffic } from "./endpoint-traffic";
import { columnsOf, exampleRow, TryIt } from "./try-it";

export function EndpointScreen({ name }: { name: string }) {
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"model" | "rollback" | "delete">();
  const loaded = useLoad(() => api.endpoint(name), [name], (e) => (e?.state === "loading" ? 1_000 : 3_000));
  const e = loaded.data;
  const close = () => setDialog(undefined);
  if (!e) return <Page title={name} crumbs={[{ label: "Endpoints", href: "/endpoints" }]}>{loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : <Card><Skeleton rows={8} /></Card>}</Page>;
  return (
    <Page
      title={name} heading={<>{name}<Status state={e.health} /></>} crumbs={[{ label: "Endpoints", href: "/endpoints" }]}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, e)} />
        {edit && <button type="button" class="btn" onClick={() => setDialog("rollback")}><Icon name="undo" />Roll back</button>}
        {edit && <button type="button" class="btn" onClick={() => setDialog("model")}><Icon name="edit" />Change model</button>}
        {edit && <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>}
      </>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      {e.error && <div class="problem" role="alert"><Icon name="warn" /><div><p>{e.error}</p></div></div>}
      <div class="tiles figures">
        <Figure label="Requests a second" value={number(e.requests_per_s)} />
        <Figure label="Errors" value={number(e.errors)} bad={e.errors > 0} note={`of ${number(e.requests)} requests`} />
        <Figure label="p50" value={ms(e.latency_ms?.p50)} />
        <Figure label="p95" value={ms(e.latency_ms?.p95)} />
        <Figure label="p99" value={ms(e.latency_ms?.p99)} />
      </div>
      {e.canary && <CanaryCard endpoint={e} edit={edit} after={loaded.reload} />}
      <Routes endpoint={e} edit={edit} after={loaded.reload} />
      <Traffic endpoint={e} />
      <TryIt endpoint={e} after={loaded.reload} />
      <div class="two"><Signature title="Inputs" tensors={e.inputs} /><Signature title="Outputs" tensors={e.outputs} /></div>
      {dialog === "model" && <ChangeModel endpoint={e} close={close} after={loaded.reload} />}
      <History name={name} />
      {dialog === "rollback" && <RollBack endpoint={e} close={close} after={loaded.reload} />}
      {dialog === "delete" && (
        <Confirm title="Delete the endpoint" submit="Delete" type={name} close={close} save={() => api.endpointDelete(name)} after={() => go("/endpoints")}>
          <p><code>{e.url_path}</code> and <code>/v2/models/{name}</code> stop answering at once. The model and its versions stay.</p>
        </Confirm>
      )}
    </Page>
  );
}

const Figure = ({ label, value, bad, note }: { label: string; value: string; bad?: boolean; note?: string }) => <div class="tile"><b class={bad ? "bad" : ""}>{value}</b><span>{label}{note && <> {note}</>}</span></div>;

function Signature({ title, tensors }: { title: string; tensors: api.Tensor[] }) {
  return (
    <Card title={<>{title} <span class="count">{tensors.length}</span></>} flush>
      {tensors.length === 0 ? <p class="note">Known once a model is loaded.</p> : <table class="pairs"><tbody>{tensors.map((t) => <tr key={t.name}><th scope="row">{t.name}</th><td class="param">{t.datatype} <span class="muted">[{t.shape.map((d) => (d < 0 ? "any" : d)).join(" × ")}]</span></td></tr>)}</tbody></table>}
    </Card>
  );
}

function ChangeModel({ endpoint, close, after }: { endpoint: api.Endpoint; close: () => void; after: () => void }) {
  const [model, setModel] = useState(endpoint.model);
  return (
    <FormModal title="Change the model" submit="Change" close={close} after={after} disabled={!model || model === endpoint.model} save={() => api.endpointPatch(endpoint.name, { model })}>
      <Field label="Model" hint="models:/NAME@ALIAS or models:/NAME/VERSION"><input class="mono" value={model} onInput={(e) => setModel(e.currentTarget.value.trim())} autofocus /></Field>
      {model !== endpoint.model && <p class="change"><b>{endpoint.name}</b> follows <code>{model}</code> instead of <code>{endpoint.model}</code>. It serves the old model until the new one is loaded.</p>}
    </FormModal>
  );
}

/** What a Triton client, whose address has no scheme, has to be told besides. */
const tritonTls = (at: Addresses) =>
  !at.http.startsWith("https:") ? "" : at.ca ? `, ssl=True, ssl_options={"ca_certs": ${CA}}` : ", ssl=True";

function snippets(at: Addresses, e: api.Endpoint) {
  const columns = columnsOf(e);
  const row = exampleRow(e, columns);
  const body = JSON.stringify({ dataframe_split: { columns: columns.map((c) => c.name), data: [columns.map((c) => row[c.name])] } });
  const first = e.inputs[0];
  return [
    { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  -H 'content-type: application/json' \\\n  -d '${body}' \\\n  ${at.http}${e.url_path}` },
    { label: "Python", code: `import os, requests\n\nauth = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])\nanswer = requests.post(\n    "${at.http}${e.url_path}",\n    json=${body},\n    auth=auth,${at.ca ? `\n    verify=${CA},` : ""}\n)\nprint(answer.json())` },
    { label: "Triton", code: `import os, base64, numpy as np\nimport tritonclient.http as triton\n\nlogin = base64.b64encode(f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{os.environ['MLFLOW_TRACKING_PASSWORD']}".encode()).decode()\nclient = triton.InferenceServerClient("${at.http.replace(/^https?:\/\//, "")}"${tritonTls(at)})\nheaders = {"Authorization": f"Basic {login}"}\nprint(client.get_model_metadata("${e.name}", headers=headers))\n${first ? `\n# inputs: ${e.inputs.map((t) => `${t.name} ${t.datatype}`).join(", ")}` : ""}` },
  ];
}
