// How a bucket is set up: versions and lock, quota, its documents, uploads left unfinished, and its end.
import { useState } from "preact/hooks";
import { asFailure, Failure } from "../lib/api";
import { bytes, number, plural } from "../lib/format";
import * as store from "../lib/objects";
import { go } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useLoad } from "../lib/use";
import { Card, Facts, Problem, Skeleton, Time } from "../parts/basics";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { AccessList } from "./bucket-acl";
import { KINDS, type Kind } from "./bucket-documents";
import { DeleteBucket } from "./object-dialogs";

export function BucketSettings({ bucket, reload }: { bucket: store.Bucket; reload: () => void }) {
  const { edit } = useMay();
  const [doomed, setDoomed] = useState(false);
  return (
    <>
      <Card title="Bucket">
        <Facts items={[["Address", <code>s3://{bucket.name}</code>], ["Created", <Time at={bucket.created_at} />], ["Owner", bucket.owner], ["Objects", number(bucket.objects)], ["Size", <span title={`${number(bucket.bytes)} bytes`}>{bytes(bucket.bytes)}</span>]]} />
      </Card>
      <div class="two">
        <Versions bucket={bucket} reload={reload} />
        <Quota bucket={bucket} />
      </div>
      <AccessList bucket={bucket} />
      <Documents bucket={bucket} />
      <Unfinished bucket={bucket.name} />
      {edit && (
        <Card title="Delete the bucket" actions={<button type="button" class="btn quiet-danger" onClick={() => setDoomed(true)}><Icon name="trash" />Delete</button>}>
          <p class="muted">The bucket goes with everything in it, all versions included.</p>
        </Card>
      )}
      {doomed && <DeleteBucket bucket={bucket} close={() => setDoomed(false)} after={() => go("/data")} />}
    </>
  );
}

function Versions({ bucket, reload }: { bucket: store.Bucket; reload: () => void }) {
  const { edit } = useMay();
  const { busy, error, act } = useAction();
  const [locking, setLocking] = useState(false);
  const states: [store.Versioning, string][] = [["off", "Off"], ["enabled", "On"], ["suspended", "Suspended"]];
  const about = { off: "An object that is overwritten or deleted is gone.", enabled: "What is overwritten or deleted stays as an older version and can be brought back.", suspended: "Older versions stay; new ones are not kept." }[bucket.versioning];
  return (
    <Card title="Versions">
      <div class="segments" role="group" aria-label="Versioning">
        {states.map(([id, label]) => {
          const past = (id === "off" && bucket.versioning !== "off") || (id === "suspended" && bucket.versioning === "off");
          const fixed = bucket.object_lock && id !== "enabled";
          return <button key={id} type="button" aria-pressed={bucket.versioning === id} disabled={!edit || busy || past || fixed} onClick={() => id !== bucket.versioning && void act(() => store.bucketChange(bucket.name, { versioning: id }), reload)}>{label}</button>;
        })}
      </div>
      <p class="muted">{about}</p>
      <div class="setting-line">
        <span><b>Object lock</b> <span class="muted">{bucket.object_lock ? "On: versions can be kept from deletion. It stays on." : "Off"}</span></span>
        {!bucket.object_lock && edit && <button type="button" class="btn small" disabled={bucket.versioning !== "enabled"} title={bucket.versioning === "enabled" ? undefined : "Needs versions"} onClick={() => setLocking(true)}><Icon name="lock" />Turn on</button>}
      </div>
      {error && <Problem error={error} />}
      {locking && <Confirm title="Turn object lock on" submit="Turn on" close={() => setLocking(false)} after={reload} save={() => store.bucketChange(bucket.name, { object_lock: true })}><p>Object lock, and with it the keeping of versions, cannot be turned off again for <b>{bucket.name}</b>.</p></Confirm>}
    </Card>
  );
}

const UNITS: [string, number][] = [["MiB", 2 ** 20], ["GiB", 2 ** 30], ["TiB", 2 ** 40]];

function Quota({ bucket }: { bucket: store.Bucket }) {
  const { admin } = useMay();
  const found = useLoad(() => store.quota(bucket.name), [bucket.name]);
  const [editing, setEditing] = useState(false);
  const q = found.data;
  return (
    <Card title="Quota" actions={admin && q && <button type="button" class="btn small" onClick={() => setEditing(true)}><Icon name="edit" />Edit</button>}>
      {found.error && <Problem error={found.error} retry={found.reload} />}
      {!q && !found.error && <Skeleton rows={2} />}
      {q && (
        <>
          <Share label="Size" used={q.bytes} most={q.max_bytes} show={bytes} />
          <Share label="Objects" used={q.objects} most={q.max_objects} show={number} />
          <p class="muted">All versions count. A write that would exceed it is refused.</p>
        </>
      )}
      {editing && q && <EditQuota bucket={bucket.name} quota={q} close={() => setEditing(false)} after={found.reload} />}
    </Card>
  );
}

function Share({ label, used, most, show }: { label: string; used: number; most: number | null; show: (n: number) => string }) {
  return (
    <div class="share">
      <span><b>{label}</b> <span class="muted">{show(used)}{most === null ? ", no limit" : ` of ${show(most)}`}</span></span>
      {most !== null && <meter min={0} max={Math.max(most, 1)} high={most * 0.9} optimum={0} value={used} aria-label={`${label} used`} />}
    </div>
  );
}

function EditQuota({ bucket, quota, close, after }: { bucket: string; quota: store.Quota; close: () => void; after: () => void }) {
  const [unit, setUnit] = useState(quota.max_bytes && quota.max_bytes % 2 ** 30 !== 0 ? 2 ** 20 : 2 ** 30);
  const [size, setSize] = useState(quota.max_bytes === null ? "" : String(quota.max_bytes / unit));
  const [count, setCount] = useState(quota.max_objects === null ? "" : String(quota.max_objects));
  const save = () => store.quotaPut(bucket, { max_bytes: size === "" ? null : Math.round(Number(size) * unit), max_objects: count === "" ? null : Number(count) });
  return (
    <FormModal title={`Quota of ${bucket}`} submit="Save" close={close} after={after} save={save}>
      <Field label="Size at most" hint="Empty for no limit."><span class="with-unit"><input type="number" min="0" step="any" value={size} onInput={(e) => setSize(e.currentTarget.value)} autofocus /><select aria-label="Unit" value={unit} onChange={(e) => setUnit(Number(e.currentTarget.value))}>{UNITS.map(([name, value]) => <option key={name} value={value}>{name}</option>)}</select></span></Field>
      <Field label="Objects at most" hint="Empty for no limit."><input type="number" min="0" step="1" value={count} onInput={(e) => setCount(e.currentTarget.value)} /></Field>
    </FormModal>
  );
}

function Documents({ bucket }: { bucket: store.Bucket }) {
  const { edit, admin } = useMay();
  const found = useLoad(() => store.settings(bucket.name), [bucket.name, bucket.object_lock]);
  const [open, setOpen] = useState<Kind>();
  const shown = KINDS(bucket.name).filter((kind) => found.data && kind.id in found.data && (kind.id !== "object-lock" || bucket.object_lock));
  return (
    <Card title="Rules and documents" flush>
      {found.error && <Problem error={found.error} retry={found.reload} />}
      {!found.data && !found.error && <div class="card-body"><Skeleton /></div>}
      <ul class="rows documents">
        {shown.map((kind) => {
          const document = found.data?.[kind.id];
          const may = kind.admin ? admin : edit;
          return (
            <li key={kind.id}>
              <span class="grow"><b>{kind.title}</b><small class="muted">{kind.about}</small></span>
              {document ? <span class="status tone-ok"><Icon name="check" size={14} />{summary(kind.id, document)}</span> : <span class="muted">Not set</span>}
              {(may || document !== null) && <button type="button" class="btn small" onClick={() => setOpen(kind)}>{!may ? "Show" : document ? "Edit" : "Set"}<span class="sr"> {kind.title}</span></button>}
            </li>
          );
        })}
      </ul>
      {open && <DocumentEditor bucket={bucket.name} kind={open} document={found.data?.[open.id]} may={open.admin ? admin : edit} close={() => setOpen(undefined)} after={found.reload} />}
    </Card>
  );
}

/** How much a document says, in a word or two. */
function summary(id: string, document: unknown): string {
  const lists = Object.values(document as Record<string, unknown>).filter(Array.isArray);
  const rules = lists.reduce((sum, list) => sum + list.length, 0);
  if (id === "policy") return plural(rules, "statement");
  if (id === "tagging") return plural(rules, "tag");
  return rules > 0 && id !== "encryption" && id !== "ownership" ? plural(rules, "rule") : "Set";
}

function DocumentEditor({ bucket, kind, document, may, close, after }: { bucket: string; kind: Kind; document: unknown; may: boolean; close: () => void; after: () => void }) {
  const [text, setText] = useState(() => JSON.stringify(document ?? kind.examples[0]?.document, null, 2));
  const [removing, setRemoving] = useState(false);
  const save = () => {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw new Failure(`This is not JSON: ${asFailure(error).message}.`, 400, null);
    }
    return store.settingPut(bucket, kind.id, json);
  };
  if (removing) return <Confirm title={`Remove ${kind.title.toLowerCase()}`} submit="Remove" close={() => setRemoving(false)} after={() => { close(); after(); }} save={() => store.settingDelete(bucket, kind.id)}><p>The {kind.title.toLowerCase()} document of <b>{bucket}</b> is removed; what it said no longer holds.</p></Confirm>;
  return (
    <FormModal title={kind.title} submit="Save" wide close={close} after={after} save={async () => save()} disabled={!may}>
      <p class="muted">{kind.about} The fields are those of the AWS command line.{kind.id === "notification" && <> Webhooks are made under <a href="/settings/webhooks">Settings</a>.</>}</p>
      {may && <div class="toolbar"><span class="muted">Begin from:</span>{kind.examples.map((example) => <button key={example.label} type="button" class="btn small" onClick={() => setText(JSON.stringify(example.document, null, 2))}>{example.label}</button>)}</div>}
      <label class="field"><span class="sr">{kind.title} as JSON</span><textarea class="editor mono" rows={16} spellcheck={false} readOnly={!may} value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
      {may && document !== null && document !== undefined && <button type="button" class="btn small quiet-danger remove" onClick={() => setRemoving(true)}><Icon name="trash" />Remove this document</button>}
    </FormModal>
  );
}

function Unfinished({ bucket }: { bucket: string }) {
  const { edit } = useMay();
  const list = useLoad(() => store.uploads(bucket), [bucket]);
  const { error, act } = useAction();
  if (!list.data?.length) return null;
  return (
    <Card title={<>Unfinished uploads<span class="count">{list.data.length}</span></>} flush>
      {error && <Problem error={error} />}
      <ul class="rows">
        {list.data.slice(0, 50).map((u) => (
          <li key={u.id}><Icon name="clock" /><span class="grow cut">{u.key}</span><span class="muted">begun <Time at={u.begun_at} /></span>{edit && <button type="button" class="btn small" onClick={() => void act(() => store.uploadAbort(bucket, u.key, u.id), list.reload)}>Give up</button>}</li>
        ))}
      </ul>
    </Card>
  );
}
