// The dialogs around objects: delete, share, copy or move, tags, metadata, lock.
import { useState } from "preact/hooks";
import { Failure } from "../lib/api";
import { baseName, bytes, exact, plural } from "../lib/format";
import * as store from "../lib/objects";
import { go } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction } from "../lib/use";
import { Copy, Problem } from "../parts/basics";
import { Confirm, Field, FormModal, Modal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { PairRows, type Row } from "../parts/pairs";
import { folderHref } from "./bucket";

export interface Chosen { objects: { key: string; version: string; size?: number; marker?: boolean }[]; prefixes: string[]; versions: boolean }

/** An error that tells how many were kept, and why the first was. */
function checked(outcome: store.Outcome): store.Outcome {
  const first = outcome.errors[0];
  if (first) throw new Failure(`${plural(outcome.deleted, "entry", "entries")} deleted, ${outcome.refused} kept. ${first.key}: ${first.detail}`, 403, null);
  return outcome;
}

export function DeleteMany({ bucket, chosen, close, after }: { bucket: store.Bucket; chosen: Chosen; close: () => void; after: () => void }) {
  const { objects, prefixes, versions } = chosen;
  const keeps = bucket.versioning === "enabled" && !versions;
  const one = objects.length === 1 && prefixes.length === 0 ? objects[0] : undefined;
  const what = one ? <code>s3://{bucket.name}/{one.key}</code> : <>{objects.length > 0 && <b>{plural(objects.length, versions ? "version" : "object")}</b>}{objects.length > 0 && prefixes.length > 0 && " and "}{prefixes.length > 0 && <b>{plural(prefixes.length, "folder")} with all in {prefixes.length > 1 ? "them" : "it"}</b>}</>;
  const size = objects.reduce((sum, object) => sum + (object.size ?? 0), 0);
  const save = async () => {
    for (let at = 0; at < Math.max(objects.length, 1); at += 1000) {
      const named = objects.slice(at, at + 1000).map(({ key, version }) => ({ key, version: version || undefined }));
      checked(await store.removeMany(bucket.name, { objects: named, prefixes: at === 0 ? prefixes : [], versions }));
    }
  };
  return (
    <Confirm title={one ? (versions ? "Delete this version" : "Delete the object") : "Delete the selection"} submit="Delete" type={prefixes.length > 0 && (versions || !keeps) ? "delete" : undefined} close={close} after={after} save={save}>
      <p>{what}{size > 0 && ` (${bytes(size)})`} {keeps ? "will be hidden by a delete marker; earlier versions stay and can be restored." : versions && one?.marker ? "is a delete marker: without it, the version before is seen again." : versions ? "will be removed for good, with nothing to restore." : "will be removed for good."}</p>
      {prefixes.length > 0 && <ul class="named">{prefixes.slice(0, 6).map((prefix) => <li key={prefix}><code>{prefix}</code></li>)}{prefixes.length > 6 && <li class="muted">and {prefixes.length - 6} more</li>}</ul>}
    </Confirm>
  );
}

export function DeleteBucket({ bucket, close, after }: { bucket: store.Bucket; close: () => void; after: () => void }) {
  const holds = bucket.objects > 0 || bucket.versioning !== "off";
  const save = async () => {
    if (holds) checked(await store.bucketEmpty(bucket.name));
    await store.bucketDelete(bucket.name);
  };
  return (
    <Confirm title={`Delete ${bucket.name}`} submit="Delete" type={holds ? bucket.name : undefined} close={close} after={after} save={save}>
      <p>{holds ? <>The bucket and all in it go for good: {plural(bucket.objects, "object")}{bucket.versioning !== "off" && " and versions"}, {bytes(bucket.bytes)}. What is locked stays, and the bucket with it.</> : <>The empty bucket <b>{bucket.name}</b> is removed.</>}</p>
    </Confirm>
  );
}

const LIVES: [seconds: number, words: string][] = [[900, "15 minutes"], [3600, "1 hour"], [43_200, "12 hours"], [86_400, "1 day"], [604_800, "7 days"]];

export function Presign({ bucket, object, version, close }: { bucket: string; object: store.Obj; version?: string; close: () => void }) {
  const { edit } = useMay();
  const { busy, error, act } = useAction();
  const [method, setMethod] = useState<"GET" | "PUT">("GET");
  const [lives, setLives] = useState(3600);
  const [made, setMade] = useState<{ url: string; expires_at: string }>();
  const make = () => act(async () => setMade(await store.presign(bucket, { key: object.key, method, version: method === "GET" ? version : undefined, expires_s: lives })));
  const curl = made && (method === "GET" ? `curl -o '${baseName(object.key)}' '${made.url}'` : `curl -T '${baseName(object.key)}' '${made.url}'`);
  return (
    <Modal title={`Share ${baseName(object.key)}`} close={close}>
      <div class="modal-body">
        <p class="muted">Whoever has the link may use it until it ends, without signing in.</p>
        {edit && <div class="segments" role="group" aria-label="The link lets them">{(["GET", "PUT"] as const).map((id) => <button key={id} type="button" aria-pressed={method === id} onClick={() => { setMethod(id); setMade(undefined); }}>{id === "GET" ? "Download" : "Upload in its place"}</button>)}</div>}
        <Field label="Lives for"><select value={lives} onChange={(e) => { setLives(Number(e.currentTarget.value)); setMade(undefined); }}>{LIVES.map(([seconds, words]) => <option key={seconds} value={seconds}>{words}</option>)}</select></Field>
        {error && <Problem error={error} />}
        {made
          ? <>
              <Field label="Link" hint={`Ends ${exact(Date.parse(made.expires_at))}. It stops earlier when the S3 key "presigned links" under Settings is revoked.`}><span class="link-box"><input readOnly value={made.url} onFocus={(e) => e.currentTarget.select()} /><Copy text={made.url} label="Copy the link" /></span></Field>
              {curl && <Field label="From a shell"><span class="link-box"><input readOnly value={curl} onFocus={(e) => e.currentTarget.select()} /><Copy text={curl} label="Copy the command" /></span></Field>}
            </>
          : <button type="button" class="btn primary" disabled={busy} onClick={() => void make()}><Icon name="link" />{busy ? "Working…" : "Make the link"}</button>}
      </div>
    </Modal>
  );
}

export function CopyObject({ bucket, name, version, close, after }: { bucket: string; name: string; version?: string; close: () => void; after: () => void }) {
  const [toBucket, setBucket] = useState(bucket);
  const [toKey, setKey] = useState(name);
  const [moves, setMoves] = useState(false);
  const save = async () => {
    await store.copy(bucket, { key: name, version, to_bucket: toBucket, to_key: toKey, move: moves });
    go(folderHref(toBucket, toKey.includes("/") ? toKey.slice(0, toKey.lastIndexOf("/") + 1) : "", toKey));
  };
  return (
    <FormModal title="Copy or move" submit={moves ? "Move" : "Copy"} close={close} after={after} save={save} disabled={!toBucket || !toKey || (toBucket === bucket && toKey === name && !version)}>
      <Field label="To bucket"><input value={toBucket} onInput={(e) => setBucket(e.currentTarget.value.trim())} spellcheck={false} /></Field>
      <Field label="As" hint="The whole key, folders included."><input value={toKey} onInput={(e) => setKey(e.currentTarget.value)} spellcheck={false} autofocus /></Field>
      {!version && <label class="choice"><input type="checkbox" checked={moves} onChange={(e) => setMoves(e.currentTarget.checked)} /><span><b>Move</b><small>Delete the original once the copy is there.</small></span></label>}
    </FormModal>
  );
}

const rowsOf = (pairs: store.Pairs): Row[] => (Object.keys(pairs).length ? Object.entries(pairs) : [["", ""]]);
const pairsOf = (rows: Row[]): store.Pairs => Object.fromEntries(rows.map(([key, value]) => [key.trim(), value] as const).filter(([key]) => key));
interface Edit { object: store.Details; version?: string; close: () => void; after: () => void }

export function EditTags({ bucket, object, version, close, after }: Edit & { bucket: string }) {
  const [rows, setRows] = useState(rowsOf(object.tags));
  return (
    <FormModal title="Tags" submit="Save" close={close} after={after} save={() => store.change(bucket, object.key, { tags: pairsOf(rows) }, version)}>
      <PairRows rows={rows} set={setRows} keys="tag" label="Tags" />
      <p class="muted">At most 10. Lifecycle rules and policies can go by them.</p>
    </FormModal>
  );
}

const HEADERS = ["cache_control", "content_disposition", "content_encoding", "content_language"];

export function EditMetadata({ bucket, object, version, close, after }: Edit & { bucket: store.Bucket }) {
  const [type, setType] = useState(object.content_type ?? "");
  const [headers, setHeaders] = useState(object.headers);
  const [rows, setRows] = useState(rowsOf(object.metadata));
  const save = () => store.change(bucket.name, object.key, { content_type: type, headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value)), metadata: pairsOf(rows) }, version);
  return (
    <FormModal title="Metadata" submit="Save" close={close} after={after} save={save}>
      <Field label="Content-Type"><input value={type} onInput={(e) => setType(e.currentTarget.value)} spellcheck={false} /></Field>
      <div class="pair-fields">{HEADERS.map((name) => <Field key={name} label={name.split("_").map((word) => word[0]?.toUpperCase() + word.slice(1)).join("-")}><input value={headers[name] ?? ""} onInput={(e) => setHeaders({ ...headers, [name]: e.currentTarget.value })} spellcheck={false} /></Field>)}</div>
      <div class="field"><span>Own metadata</span><PairRows rows={rows} set={setRows} keys="name" label="Own metadata" /></div>
      {bucket.versioning === "enabled" && <p class="muted">What a version is never changes: this makes a new version with the same bytes.</p>}
    </FormModal>
  );
}

export function EditLock({ bucket, object, version, close, after }: Edit & { bucket: string }) {
  const { admin } = useMay();
  const [hold, setHold] = useState(object.legal_hold);
  const [mode, setMode] = useState<"" | store.Retention["mode"]>(object.retention?.mode ?? "");
  const [until, setUntil] = useState(object.retention?.until.slice(0, 10) ?? "");
  const [bypass, setBypass] = useState(false);
  const retention = mode && until ? { mode, until: `${until}T00:00:00Z` } : undefined;
  const touched = retention && (retention.mode !== object.retention?.mode || until !== object.retention?.until.slice(0, 10));
  const save = () => store.change(bucket, object.key, { legal_hold: hold === object.legal_hold ? undefined : hold, retention: touched ? retention : undefined, bypass_governance: bypass || undefined }, version);
  return (
    <FormModal title="Lock" submit="Save" close={close} after={after} save={save} disabled={mode !== "" && !until}>
      <label class="choice"><input type="checkbox" checked={hold} onChange={(e) => setHold(e.currentTarget.checked)} /><span><b>Legal hold</b><small>This version cannot be deleted until the hold is taken off.</small></span></label>
      <Field label="Retention"><select value={mode} onChange={(e) => setMode(e.currentTarget.value as typeof mode)}><option value="" disabled={object.retention !== null}>none</option><option value="GOVERNANCE">governance: an admin may lift it</option><option value="COMPLIANCE">compliance: nobody may lift or shorten it</option></select></Field>
      {mode && <Field label="Until"><input type="date" value={until} min={new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)} onInput={(e) => setUntil(e.currentTarget.value)} required /></Field>}
      {admin && object.retention?.mode === "GOVERNANCE" && <label class="choice"><input type="checkbox" checked={bypass} onChange={(e) => setBypass(e.currentTarget.checked)} /><span><b>Bypass governance</b><small>Needed to shorten what is set.</small></span></label>}
    </FormModal>
  );
}
